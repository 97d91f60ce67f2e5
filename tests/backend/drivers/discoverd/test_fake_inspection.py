# SPDX-License-Identifier: Apache-2.0
"""The fake service tells the same story as one over HTTP."""

from __future__ import annotations

import pytest

from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from lab.inspection.scripted import Answer, ScriptedInspection, refusal
from tests.backend.drivers.discoverd.over_http import client_of
from tests.fakes.inspection_service import FakeInspection

NODE, OTHER = "node-1", "node-2"


class Fake:
    """The fake, and what happens at it."""

    def __init__(self):
        self.service = self.asked = FakeInspection()

    def state(self, uuid, state):
        self.service.records[uuid].state = state

    def finish(self, uuid, error=None):
        self.service.finish(uuid, error, data={"cpus": 4})

    def forget(self, uuid):
        self.service.forget(uuid)

    def fail_and_start(self):
        self.service.answer_500_and_start(NODE)


class OverHttp:
    """A scripted service, and a client."""

    def __init__(self, scripted, client):
        self.service, self.asked = scripted, client

    def state(self, uuid, state):
        self.service.records[uuid]["state"] = state

    def finish(self, uuid, error=None):
        self.service.finish(uuid, error)
        self.service.data[uuid] = {"cpus": 4}

    def forget(self, uuid):
        del self.service.records[uuid]

    def fail_and_start(self):
        body = refusal(500, "MessagingTimeout").body
        self.service.say(
            f"POST /v1/introspection/{NODE}",
            Answer(500, body, carried_out=True),
        )


@pytest.fixture(params=["fake", "over HTTP"])
def world(request):
    if request.param == "fake":
        yield Fake()
        return
    with ScriptedInspection() as scripted, client_of(scripted) as client:
        yield OverHttp(scripted, client)


def test_a_node_that_was_never_inspected_has_nothing(world):
    assert world.asked.status(NODE) is None
    assert world.asked.statuses([NODE]) == {}
    assert world.asked.data(NODE) is None
    assert world.asked.abort(NODE) is False


def test_an_inspection_from_begin_to_end(world):
    world.asked.start(NODE)
    assert world.asked.status(NODE).finished is False
    world.finish(NODE)
    status = world.asked.status(NODE)
    assert (status.finished, status.error) == (True, None)
    assert status.started_at is not None
    assert status.finished_at is not None
    assert world.asked.statuses([NODE, OTHER]) == {NODE: status}
    assert world.asked.data(NODE) == {"cpus": 4}


def test_the_old_record_stays_until_the_new_start(world):
    world.asked.start(NODE)
    world.finish(NODE, "Introspection timeout")
    old = world.asked.status(NODE)
    assert world.asked.status(NODE) == old
    world.asked.start(NODE)
    new = world.asked.status(NODE)
    assert new.finished is False
    assert new.started_at != old.started_at


@pytest.mark.parametrize("state", ["starting", "processing"])
def test_what_is_busy_refuses_a_start_and_an_abort(world, state):
    world.asked.start(NODE)
    world.state(NODE, state)
    for order, code in ((world.asked.start, 400), (world.asked.abort, 409)):
        with pytest.raises(Refusal) as refused:
            order(NODE)
        assert refused.value.http_status == code


def test_what_waits_starts_again(world):
    world.asked.start(NODE)
    first = world.asked.status(NODE)
    world.state(NODE, "waiting")
    world.asked.start(NODE)
    assert world.asked.status(NODE).started_at != first.started_at


def test_an_abort_ends_it_with_an_error(world):
    world.asked.start(NODE)
    world.state(NODE, "waiting")
    assert world.asked.abort(NODE) is True
    status = world.asked.status(NODE)
    assert (status.finished, status.error) == (True, "Canceled by operator")


def test_an_abort_of_what_has_ended_does_nothing(world):
    world.asked.start(NODE)
    world.finish(NODE)
    before = world.asked.status(NODE)
    assert world.asked.abort(NODE) is True
    assert world.asked.status(NODE) == before


def test_the_state_of_an_error_comes_before_the_error(world):
    world.asked.start(NODE)
    world.state(NODE, "error")
    status = world.asked.status(NODE)
    assert (status.finished, status.error) == (False, None)


def test_a_forgotten_node_has_no_record(world):
    world.asked.start(NODE)
    world.forget(NODE)
    assert world.asked.status(NODE) is None
    assert world.asked.statuses([NODE]) == {}


def test_a_start_that_fails_may_begin(world):
    world.fail_and_start()
    with pytest.raises(NoAnswer) as none:
        world.asked.start(NODE)
    assert none.value.may_have_begun
    assert world.asked.status(NODE).finished is False
