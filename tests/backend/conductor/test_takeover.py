# SPDX-License-Identifier: Apache-2.0
"""What a conductor makes of what others left behind."""

from __future__ import annotations

import pytest

from baremetal_backend.conductor import continuation
from baremetal_backend.conductor.takeover import Surroundings, Takeover
from baremetal_backend.core.conductors import Health
from baremetal_backend.core.errors import HardwareRefused, NoFreeWorker
from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.core.states import STATES, Kind
from baremetal_backend.core.states import Takeover as Rule
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.directory import Directory
from tests.backend.conductor.conftest import ME, NOW
from tests.databases.lending import KINDS

DEAD = Holder("two", "99999999-9999-4999-8999-999999999999")


@pytest.fixture(params=KINDS)
def kind(request):
    """These tests run on each kind of database."""
    return request.param


class Scene:
    """This conductor, and another one that is watched by a played clock."""

    def __init__(self, world, again=None) -> None:
        self.world = world
        self.now = 0.0
        self.active = True
        self.begun = []
        self.register(ME)
        self.directory = Directory(
            world.storage.conductors,
            60.0,
            own=lambda: ME,
            clock=lambda: NOW,
            monotonic=lambda: self.now,
        )
        self.takeover = Takeover(
            Surroundings(
                host="me",
                storage=world.storage,
                directory=self.directory,
                again=again or self.begun.append,
                active=lambda: self.active,
                clock=lambda: NOW,
            )
        )
        self.directory.on_look = self.takeover.end_silent
        self.directory.refresh()

    def register(self, holder, **values) -> None:
        record = ConductorRecord(
            host=holder.host,
            incarnation=holder.incarnation,
            hardware_types={
                "fake-hardware": {"interfaces": {}, "properties": {}}
            },
            registered_at=timestamp(NOW),
            renewed_at=timestamp(NOW),
            **values,
        )
        assert self.world.storage.conductors.register(record, None)

    def watch(self, seconds) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.directory.refresh()

    def beat(self, holder) -> None:
        assert self.world.storage.conductors.renew(holder, timestamp(NOW))

    def left(self, state, holder=DEAD, **values):
        node = self.world.node(
            state, target_provision_state=STATES[state].target, **values
        )
        return self.world.take(node, holder)

    def health(self, host):
        (found,) = [
            m
            for m in self.directory.view.membership.members
            if m.record.host == host
        ]
        return found.health


@pytest.fixture
def scene(world):
    return Scene(world)


@pytest.mark.parametrize("state", STATES)
def test_no_state_stays_held_or_half_done(scene, state):
    node = scene.left(state)
    assert scene.takeover.sweep() == 1
    seen = scene.world.get(node)
    assert seen.reservation is None
    assert scene.world.storage.leases.of_node(node.uuid) is None
    if STATES[state].on_takeover is Rule.RESUME:
        assert [one.uuid for one in scene.begun] == [node.uuid]
    elif STATES[state].on_takeover is Rule.FAIL:
        assert STATES[seen.provision_state].kind is not Kind.BUSY
        assert seen.last_error.startswith("Conductor two stopped while")
    else:
        assert seen.provision_state == state
    (event,) = scene.world.storage.history.page(node.uuid)
    assert (event.event_type, event.conductor) == ("takeover", "me")
    assert "two" in event.event


def test_a_conductor_that_is_alive_keeps_its_nodes(scene):
    scene.register(DEAD)
    node = scene.left("deploying")
    for _ in range(10):
        scene.watch(10)
        scene.beat(DEAD)
        assert scene.takeover.sweep() == 0
    assert scene.world.get(node) == node


def test_a_silent_conductor_is_declared_gone_after_the_time_out_only(scene):
    scene.register(DEAD)
    node = scene.left("deploying")
    scene.watch(60)
    assert scene.takeover.sweep() == 0
    scene.watch(2)
    assert scene.health("two") is Health.GONE
    assert scene.takeover.sweep() == 1
    assert scene.world.get(node).provision_state == "deploy failed"


def test_one_that_may_not_act_declares_nobody_gone_and_takes_nothing(scene):
    scene.register(DEAD)
    scene.active = False
    scene.watch(70)
    assert scene.health("two") is Health.SILENT
    scene.left("deploying", Holder("three", "3" * 36))
    assert scene.takeover.sweep() == 0
    scene.active = True
    scene.watch(2)
    assert scene.health("two") is Health.GONE
    assert scene.takeover.sweep() == 1


def test_nodes_of_another_living_conductor_are_repaired_by_that_one(scene):
    scene.register(DEAD, conductor_group="rack2")
    scene.directory.refresh()
    gone = Holder("three", "3" * 36)
    theirs = scene.left("deploying", gone, conductor_group="rack2")
    mine = scene.left("deploying", gone)
    nobodys = scene.left("deploying", gone, conductor_group="rack3")
    assert scene.takeover.sweep() == 2
    assert scene.world.get(theirs) == theirs
    assert scene.world.get(mine).provision_state == "deploy failed"
    assert scene.world.get(nobodys).provision_state == "deploy failed"


def test_the_hung_holder_writes_nothing_after_its_node_was_taken_over(scene):
    node = scene.left("deploying")
    scene.takeover.sweep()
    late = scene.world.storage.nodes.change(
        node.uuid, {"provision_state": "active"}, token=node.lease_token
    )
    assert late.current.provision_state == "deploy failed"


def test_harmless_work_is_really_done_again(world):
    def again(node):
        world.tasks.spawn_after(
            node.uuid, continuation.again(world.context, node)
        )

    scene = Scene(world, again)
    node = scene.left("verifying")
    assert scene.takeover.sweep() == 1
    world.idle()
    seen = world.get(node)
    assert (seen.provision_state, seen.reservation) == ("manageable", None)
    assert seen.last_error is None


def test_work_that_finds_no_worker_waits_for_the_next_sweep(world):
    replies = [NoFreeWorker(1.0), None]
    begun = []

    def again(node):
        begun.append(node.uuid)
        reply = replies.pop(0)
        if reply is not None:
            raise reply

    scene = Scene(world, again)
    node = scene.left("verifying")
    scene.takeover.sweep()
    assert world.get(node).provision_state == "verifying"
    scene.takeover.sweep()
    assert begun == [node.uuid, node.uuid]


def test_work_that_can_not_be_done_again_fails_with_the_reason(world):
    def again(node):
        raise HardwareRefused("no address.")

    scene = Scene(world, again)
    node = scene.left("verifying")
    scene.takeover.sweep()
    seen = world.get(node)
    assert seen.provision_state == "enroll"
    assert "no address" in seen.last_error


def test_a_node_that_vanished_before_it_was_begun_again_is_forgotten(world):
    def again(node):
        raise NoFreeWorker(1.0)

    scene = Scene(world, again)
    node = scene.left("verifying")
    scene.takeover.sweep()
    world.storage.nodes.delete(node.uuid, world.get(node).version)
    assert scene.takeover.sweep() == 0


def test_a_second_sweep_finds_nothing(scene):
    scene.left("deploying")
    assert scene.takeover.sweep() == 1
    assert scene.takeover.sweep() == 0
