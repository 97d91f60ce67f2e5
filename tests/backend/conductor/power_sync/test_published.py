# SPDX-License-Identifier: Apache-2.0
"""How old, how sure, how often: what operators see."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.conductor.power_sync.published import figures, report
from baremetal_backend.core.errors import ConductorNotFound, NodeNotFound
from baremetal_backend.rpc import wire
from tests.fakes.power import SILENT

ON, OFF = "power on", "power off"


@pytest.fixture
def conductor(following):
    return type(following.world.conductor)(following.world.context)


def shown(following) -> dict[str, dict[tuple[str, ...], float]]:
    return {one.name: dict(one.values) for one in figures(following.roster)()}


def test_ages_grow_until_the_next_answer(following):
    following.options(power_polls_per_second=0)
    nodes = [following.node(OFF) for _ in range(100)]
    following.poll()
    following.time += 10
    for node in nodes[:2]:
        following.power.hardware[node.uuid] = SILENT
    following.poll()
    following.time += 3
    found = report(following.roster)
    assert found.nodes == found.polled == 100
    assert found.failing == 2
    assert found.never_observed == 0
    assert found.age_p50 == 3
    assert found.age_p99 == found.age_max == 13.05
    assert found.polls == 200
    assert found.compared == 198
    assert found.errors == {"unreachable": 2}


def test_who_never_answered_is_as_old_as_it_is_known(following):
    following.node(SILENT)
    following.step()
    following.passes(100)
    found = report(following.roster)
    assert found.never_observed == 1
    assert found.age_max == 100


def test_nodes_that_are_not_asked_make_nothing_old(following):
    following.node(OFF, state="deploying")
    following.node(OFF, maintenance=True)
    following.step()
    following.passes(100)
    found = report(following.roster)
    assert (found.nodes, found.polled) == (2, 0)
    assert found.age_p50 is None
    assert shown(following)["power_state_age_seconds"] == {}


def test_the_rate_is_that_of_the_last_minute(following):
    following.node(OFF)
    following.options(sync_power_state_interval=2)
    following.step()
    following.passes(120)
    assert 0.4 <= report(following.roster).polls_per_second <= 0.55
    following.options(sync_power_state_interval=0)
    following.passes(120)
    assert report(following.roster).polls_per_second == 0


def test_those_who_wait_are_overdue(following):
    following.options(power_polls_in_flight=1)
    for _ in range(5):
        following.node(OFF)
    following.power.holding = True
    following.poll()
    following.passes(2)
    assert report(following.roster).overdue == 4
    assert report(following.roster).in_flight == 1


def test_prometheus_sees_the_same(following):
    following.options(force_power_state_during_sync=False)
    following.node(OFF, power_state=ON)
    following.node(SILENT)
    following.poll()
    following.time += 5
    seen = shown(following)
    assert seen["power_state_age_seconds"] == {
        ("0.5",): 5,
        ("0.99",): 5,
        ("1",): 5,
    }
    assert seen["power_polls"] == {(): 2}
    assert seen["power_polls_compared"] == {(): 1}
    assert seen["power_failing_nodes"] == {(): 1}
    assert seen["power_errors"] == {("unreachable",): 1}
    assert seen["power_actions"][("take over",)] == 1


def test_a_node_says_what_is_known_of_it(following, conductor):
    node = following.node(OFF, power_state=OFF)
    following.poll()
    following.time += 7
    found = conductor.node_power(node.uuid)
    assert found.power_state == found.observed_state == OFF
    assert found.age == 7
    assert found.source == "poll"
    assert found.latency == 0.01
    assert found.consecutive_failures == 0
    assert found.last_error is found.error_kind is None
    assert found.not_polled_because is None
    assert found.observed_at < found.next_poll_at


def test_a_node_says_why_it_is_not_known(following, conductor):
    node = following.node(SILENT, power_state=OFF)
    following.poll()
    following.passes(2)
    found = conductor.node_power(node.uuid)
    assert found.observed_state is None
    assert found.consecutive_failures == 2
    assert found.last_error == SILENT.error
    assert found.error_kind == "unreachable"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"state": "enroll"}, 'it is "enroll"'),
        ({"maintenance": True}, "it is in maintenance"),
    ],
)
def test_a_node_says_why_it_is_not_asked(following, conductor, values, reason):
    node = following.node(OFF, **values)
    assert conductor.node_power(node.uuid).not_polled_because == reason
    following.step()
    found = conductor.node_power(node.uuid)
    assert found.not_polled_because == reason
    assert found.next_poll_at is None


def test_a_node_that_nobody_looked_at_yet_says_so(following, conductor):
    node = following.node(OFF)
    found = conductor.node_power(node.uuid)
    assert "not seen it yet" in found.not_polled_because


def test_what_is_not_there_is_not_found(conductor):
    with pytest.raises(NodeNotFound):
        conductor.node_power("nobody")
    with pytest.raises(ConductorNotFound):
        conductor.conductor_power("nobody")


def test_both_travel_between_processes(following, conductor):
    node = following.node(SILENT)
    following.poll()
    for method, value in (
        ("node_power", conductor.node_power(node.uuid)),
        ("conductor_power", conductor.conductor_power("me")),
    ):
        sent = wire.encode_result(method, value)
        assert wire.opened(method, sent) == value
        assert dataclasses.asdict(value) == sent["result"]
