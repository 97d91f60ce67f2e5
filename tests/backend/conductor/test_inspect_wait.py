# SPDX-License-Identifier: Apache-2.0
"""A node that somebody else inspects: it is waited for, and let go of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from baremetal_backend.conductor import continuation, inspection_abort
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidState,
    InvalidStateRequested,
    NodeLocked,
    NoFreeWorker,
)
from baremetal_backend.core.records import Holder
from baremetal_backend.drivers.base import WAIT
from baremetal_backend.drivers.fake.hardware import FakeHardware, FakeInspect
from tests.backend.conductor.conftest import World

OTHER = Holder("other", "2" * 36)
PATIENCE = 20.0


class ToldInspect(FakeInspect):
    """An interface that somebody else inspects for; tests say how."""

    name = "told"

    def __init__(self, settings) -> None:
        super().__init__(settings)
        self.told: list = []
        self.hook = lambda node: None

    def inspect_hardware(self, task):
        return WAIT

    def abort(self, node):
        self.told.append(node)
        self.hook(node)


class Hardware(FakeHardware):
    interfaces = {**FakeHardware.interfaces, "inspect": (ToldInspect,)}


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path, hardware=Hardware)
    yield found
    found.close()


@pytest.fixture
def inspect(world):
    return world.registry.types["fake-hardware"].interfaces["inspect"]["told"]


@pytest.fixture
def waiting(world):
    """A node that waits for its inspection."""
    node = world.node("manageable")
    act(world, node, "inspect")
    node = world.get(node)
    assert node.provision_state == "inspect wait"
    return node


def act(world, node, verb):
    world.conductor.do_provisioning_action(node.uuid, verb)
    world.idle()
    return world.get(node)


# -- abort --------------------------------------------------------------------


def test_who_inspects_is_told_before_the_node_fails(world, inspect, waiting):
    node = act(world, waiting, "abort")
    (told,) = inspect.told
    assert (told.uuid, told.provision_state) == (node.uuid, "inspect wait")
    assert node.provision_state == "inspect failed"
    assert node.target_provision_state == "manageable"
    assert node.last_error == '"inspect wait" was aborted by request.'


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (HardwareFailed("It does not answer."), "It does not answer."),
        (KeyError("uuid"), "KeyError: 'uuid'"),
        (SystemExit("no"), "SystemExit: no"),
    ],
    ids=["as agreed", "a fault", "the worst"],
)
def test_the_node_fails_although_nobody_could_be_told(
    world, inspect, waiting, error, words
):
    def fails(node):
        raise error

    inspect.hook = fails
    node = act(world, waiting, "abort")
    assert node.provision_state == "inspect failed"
    assert node.last_error == (
        '"inspect wait" was aborted by request. Its inspection may go on: '
        + words
    )
    assert node.reservation is None


def test_a_hook_that_hangs_is_not_waited_for(
    world, inspect, waiting, monkeypatch
):
    monkeypatch.setattr(inspection_abort, "_DEADLINE", 0.05)
    over = threading.Event()
    inspect.hook = lambda node: over.wait(PATIENCE)
    node = act(world, waiting, "abort")
    assert not over.is_set()
    assert node.provision_state == "inspect failed"
    assert node.last_error.endswith("may go on: no answer within 0.05 s")
    over.set()


def test_an_interface_that_tells_nobody_costs_nothing(
    world, inspect, waiting, monkeypatch
):
    monkeypatch.delattr(ToldInspect, "abort")
    places = [world.lanes.operator.place() for _ in range(4)]
    for place in places:
        place.__enter__()
    assert act(world, waiting, "abort").provision_state == "inspect failed"
    for place in places:
        place.__exit__(None, None, None)


def test_without_a_thread_nobody_is_told_and_nothing_changes(
    world, inspect, waiting
):
    places = [world.lanes.operator.place() for _ in range(4)]
    for place in places:
        place.__enter__()
    with pytest.raises(NoFreeWorker):
        act(world, waiting, "abort")
    for place in places:
        place.__exit__(None, None, None)
    assert inspect.told == []
    assert world.get(waiting) == waiting


def test_an_interface_that_is_gone_keeps_no_node_waiting(world):
    node = world.node("inspect wait", inspect_interface="vanished")
    node = act(world, node, "abort")
    assert node.provision_state == "inspect failed"
    assert "vanished" in node.last_error


def test_other_aborts_tell_nobody(world, inspect):
    node = world.node("clean wait")
    assert act(world, node, "abort").provision_state == "clean failed"
    with pytest.raises(InvalidStateRequested):
        act(world, world.node("manageable"), "abort")
    assert inspect.told == []


def test_an_abort_that_made_the_inspection_fail_has_succeeded(
    world, inspect, waiting
):
    def fails_first(node):
        continuation.fail(world.context, node.uuid, "Canceled by operator")

    inspect.hook = fails_first
    node = act(world, waiting, "abort")
    assert node.provision_state == "inspect failed"
    assert node.last_error == '"inspect wait" was aborted by request.'


def test_an_inspection_that_ended_meanwhile_is_not_undone(
    world, inspect, waiting
):
    def ends_first(node):
        continuation.resume(world.context, node.uuid)
        world.idle()

    inspect.hook = ends_first
    with pytest.raises(InvalidState, match="went on since"):
        act(world, waiting, "abort")
    node = world.get(waiting)
    assert (node.provision_state, node.last_error) == ("manageable", None)


def test_a_later_inspection_is_not_ended_by_an_abort_of_an_earlier(
    world, inspect, waiting
):
    def begins_anew(node):
        continuation.fail(world.context, node.uuid, "timed out")
        act(world, node, "inspect")

    inspect.hook = begins_anew
    with pytest.raises(InvalidState, match="went on since"):
        act(world, waiting, "abort")
    node = world.get(waiting)
    assert (node.provision_state, node.last_error) == ("inspect wait", None)


def test_a_change_of_the_node_in_between_is_no_obstacle(
    world, inspect, waiting
):
    def patches(node):
        write(world, node, properties={"cpus": "4"})

    inspect.hook = patches
    node = act(world, waiting, "abort")
    assert node.provision_state == "inspect failed"
    assert node.properties == {"cpus": "4"}


# -- waiting for the lock -----------------------------------------------------


class Clock:
    """Each look at it is ten seconds later; something may happen then."""

    def __init__(self, world, node) -> None:
        self._world = world
        self._node = node
        self._at: dict[float, Callable[[], object]] = {}
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        self._at.pop(self.now, lambda: None)()
        return self.now

    def release(self, at: float, held) -> None:
        """Whoever has the node gives it back at that time."""
        give_back = self._world.storage.leases.give_back
        self._at[at] = lambda: give_back(held.uuid, held.lease_token)

    def change(self, at: float, **changes) -> None:
        """Somebody writes the node at that time."""
        self._at[at] = lambda: write(self._world, self._node, **changes)


def write(world, node, **changes):
    seen = world.get(node)
    world.storage.nodes.change(node.uuid, changes, seen_version=seen.version)


def wants(world, node, clock):
    """A client's request; the world's settings say: two attempts."""
    return world.task_manager(monotonic=clock).exclusive(node.uuid, "PATCH")


def test_an_inspected_node_is_waited_for_before_a_request_is_refused(
    world, waiting
):
    world.take(waiting, OTHER, lane="operator")
    clock = Clock(world, waiting)
    with pytest.raises(NodeLocked), wants(world, waiting, clock):
        pass
    assert 40.0 <= clock.now <= 60.0


def test_a_request_gets_an_inspected_node_that_comes_free_in_time(
    world, waiting
):
    held = world.take(waiting, OTHER, lane="operator")
    clock = Clock(world, waiting)
    clock.release(30.0, held)
    with wants(world, waiting, clock) as task:
        assert task.node.reservation == "me"


def test_a_request_keeps_its_patience_when_the_node_moves_on(world, waiting):
    held = world.take(waiting, OTHER, lane="operator")
    clock = Clock(world, waiting)
    clock.change(20.0, provision_state="manageable")
    clock.release(30.0, held)
    with wants(world, waiting, clock) as task:
        assert task.node.provision_state == "manageable"


def test_a_node_at_rest_is_waited_for_as_configured(world):
    node = world.node("manageable")
    held = world.take(node, OTHER, lane="operator")
    clock = Clock(world, node)
    clock.release(50.0, held)
    with pytest.raises(NodeLocked), wants(world, node, clock):
        pass
    assert clock.now <= 40.0
