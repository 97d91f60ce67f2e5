# SPDX-License-Identifier: Apache-2.0
"""Leases as operations have them: who waits, who loses a node, and how."""

from __future__ import annotations

import logging
import threading

import pytest

from baremetal_backend.conductor.operation import Provisioning
from baremetal_backend.core.errors import (
    ConductorNotFound,
    LeaseLost,
    LockChanged,
    NodeChanged,
    NodeLocked,
    NodeNotFound,
    NodeNotLocked,
    NoFreeWorker,
    Unavailable,
)
from baremetal_backend.core.leases import Busy
from baremetal_backend.core.records import Holder
from baremetal_backend.drivers.base import Pause
from tests.backend.conductor.conftest import ME

OTHER = Holder("other", "2" * 36)


def deploy_with(work):
    return Provisioning("active", work)


def pausing(task):
    yield Pause(7)


def patient(world, **values):
    """A manager whose requests wait as they are told to."""
    settings = type(world.settings.conductor)(
        **{
            "node_locked_retry_attempts": 3,
            "node_locked_retry_interval": 20.0,
            **values,
        }
    )
    return world.task_manager(configured=lambda: settings)


# -- what a client is told ---------------------------------------------------


def test_a_locked_node_says_who_has_it_what_for_and_since_when(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    with pytest.raises(NodeLocked) as caught:
        world.conductor.vif_attach(node.uuid, {"id": "v"})
    assert caught.value.message == (
        f"Node {node.uuid} is locked by host me, please retry after the "
        "current operation is completed. It is used for deploy since "
        "2027-01-15T08:00:00+00:00."
    )
    assert caught.value.retry_after == 1
    world.timer.pass_time()
    world.idle()


def test_the_lease_of_an_operation_lasts_from_its_begin_to_its_end(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    lease = world.storage.leases.of_node(node.uuid)
    assert (lease.holder, lease.incarnation) == (ME.host, ME.incarnation)
    assert (lease.purpose, lease.lane) == ("deploy", "provisioning")
    assert lease.token == world.get(node).lease_token
    assert lease.expires_at == "2027-01-15T08:01:00+00:00"
    world.timer.pass_time()
    world.idle()
    assert world.storage.leases.all() == []


def test_a_short_call_has_a_lease_of_its_own_in_the_operators_lane(world):
    node = world.node("active")
    with world.tasks.exclusive(node.uuid, "vif_attach") as task:
        lease = world.storage.leases.of_node(node.uuid)
        assert (lease.purpose, lease.lane) == ("vif_attach", "operator")
        assert lease.token == task.token
        assert world.lanes.operator.figures().busy == 1
    assert world.storage.leases.all() == []
    assert world.lanes.operator.figures().busy == 0


def test_a_short_call_without_a_place_changes_nothing(world):
    node = world.node("active")
    places = [world.lanes.operator.place() for _ in range(4)]
    for place in places:
        place.__enter__()
    with pytest.raises(NoFreeWorker), world.tasks.exclusive(node.uuid, "x"):
        pass
    assert world.get(node) == node
    for place in places:
        place.__exit__(None, None, None)


def test_a_conductor_that_may_not_act_takes_no_node(world):
    def demoted():
        raise Unavailable("Conductor me can't renew its record.")

    tasks = world.task_manager(check_active=demoted)
    node = world.node("available")
    with pytest.raises(Unavailable):
        tasks.spawn_after(node.uuid, deploy_with(pausing))
    with pytest.raises(Unavailable), tasks.exclusive(node.uuid, "x"):
        pass
    busy = tasks.try_exclusive(node.uuid, "poll")
    assert isinstance(busy, Busy)
    assert busy.reason == "Conductor me can't renew its record."
    assert world.get(node) == node


def test_a_conductor_that_is_demoted_while_it_begins_takes_no_node(world):
    asked = []

    def demoted_meanwhile():
        asked.append(1)
        if len(asked) > 1:
            raise Unavailable("Conductor me can't renew its record.")

    tasks = world.task_manager(check_active=demoted_meanwhile)
    node = world.node("available")
    with pytest.raises(Unavailable):
        tasks.spawn_after(node.uuid, deploy_with(pausing))
    assert world.get(node) == node
    assert tasks.wait_idle(20)


def test_a_conductor_that_came_back_does_not_use_its_former_leases(world):
    def works_on(task):
        yield Pause(1)
        task.save(extra={"late": True})

    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(works_on))
    world.timer.wait_for_pause()
    former = world.get(node).lease_token
    world.storage.leases.give_back(
        node.uuid, former, {"provision_state": "deploy failed"}
    )
    world.identity = Holder("me", "3" * 36)
    retry = world.take(node, world.identity)
    world.timer.pass_time()
    world.idle()
    assert world.get(node) == retry


# -- background work ---------------------------------------------------------


def test_background_work_gets_a_free_node_and_gives_it_back(world):
    node = world.node("active")
    use = world.tasks.try_exclusive(node.uuid, "poll sensors")
    with use as task:
        lease = world.storage.leases.of_node(node.uuid)
        assert (lease.purpose, lease.lane) == ("poll sensors", "background")
        task.save(extra={"fan": 1})
        assert world.lanes.background.figures().busy == 1
    assert world.get(node).reservation is None
    assert world.get(node).extra == {"fan": 1}
    assert world.lanes.background.figures().busy == 0


def test_background_work_is_told_at_once_who_has_a_node(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    busy = world.tasks.try_exclusive(node.uuid, "poll")
    assert isinstance(busy, Busy)
    assert busy.lease.purpose == "deploy"
    assert busy.reason == (
        "used by me for deploy since 2027-01-15T08:00:00+00:00"
    )
    world.timer.pass_time()
    world.idle()


def test_background_work_that_is_shed_is_told_why(world):
    node = world.node("active")
    places = [world.lanes.operator.place() for _ in range(4)]
    for place in places:
        place.__enter__()
    busy = world.tasks.try_exclusive(node.uuid, "poll")
    assert isinstance(busy, Busy)
    assert busy.lease is None
    assert "the operator lane is 100 % full" in busy.reason
    for place in places:
        place.__exit__(None, None, None)
    assert world.get(node) == node


def test_background_work_on_a_stopping_service_gets_no_node(world):
    node = world.node("active")
    world.tasks.close()
    busy = world.tasks.try_exclusive(node.uuid, "poll")
    assert isinstance(busy, Busy)
    assert busy.reason == "Conductor me is shutting down."


def test_background_work_on_a_vanished_node_is_told_so(world):
    with pytest.raises(NodeNotFound):
        world.tasks.try_exclusive("nobody", "poll")
    with pytest.raises(NodeNotFound):
        world.tasks.shared("nobody")


def test_a_request_that_waits_is_served_before_background_work(world):
    tasks = patient(world)
    node = world.node("active")
    waits, done, release = (threading.Event() for _ in range(3))
    real = world.storage.leases.of_node

    def seen(uuid):
        waits.set()
        return real(uuid)

    def request():
        with tasks.exclusive(node.uuid, "vif_attach"):
            done.set()
            release.wait(20)

    thread = threading.Thread(target=request)
    with tasks.try_exclusive(node.uuid, "poll"):
        world.storage.leases.of_node = seen
        thread.start()
        assert waits.wait(20)
    # From here on the request waits for the node or has it.
    busy = tasks.try_exclusive(node.uuid, "poll")
    assert isinstance(busy, Busy)
    assert done.wait(20)
    release.set()
    thread.join(20)
    assert isinstance(tasks.try_exclusive(node.uuid, "poll"), Busy) is False


def test_background_work_makes_no_request_fail_however_long_it_takes(world):
    now = [0.0]
    tasks = world.task_manager(
        configured=lambda: type(world.settings.conductor)(
            node_locked_retry_attempts=0,
            node_locked_retry_interval=0.0,
            background_lease_limit=15.0,
        ),
        monotonic=lambda: now[0],
    )
    node = world.node("active")
    use = tasks.try_exclusive(node.uuid, "slow poll")
    real = world.storage.leases.of_node

    def time_passes(uuid):
        now[0] += 4
        return real(uuid)

    world.storage.leases.of_node = time_passes
    with use as poll, tasks.exclusive(node.uuid, "power off") as task:
        assert now[0] >= 15
        task.save(power_state="power off")
        with pytest.raises(LeaseLost, match="slow poll"):
            poll.save(power_state="power on")
    seen = world.get(node)
    assert seen.power_state == "power off"
    assert seen.reservation is None
    assert world.history(node) == [
        "slow poll had the node for more than 15 s while a request waited."
    ]
    assert tasks.wait_idle(20)


def test_who_looks_without_taking_writes_only_if_nobody_wrote(world):
    node = world.node("active")
    first, second = (
        world.tasks.shared(node.uuid),
        world.tasks.shared(node.name or node.uuid),
    )
    assert first.driver.power.name == "fake"
    assert first.save(extra={"n": 1}).extra == {"n": 1}
    assert first.save(extra={"n": 2}).extra == {"n": 2}
    with pytest.raises(NodeChanged):
        second.save(extra={"n": 3})
    assert world.get(node).extra == {"n": 2}
    assert second.node == node


def test_who_looks_without_taking_keeps_out_of_an_operations_way(world):
    node = world.node("active")
    with world.tasks.exclusive(node.uuid, "vif_attach"):
        look = world.tasks.shared(node.uuid)
        with pytest.raises(NodeChanged):
            look.save(extra={"n": 1})
    assert world.get(node).extra == {}


# -- work that hangs ---------------------------------------------------------


class Hanging:
    """Work that waits for the test in the middle of a driver's call."""

    def __init__(self):
        self.started, self.woken = threading.Event(), threading.Event()
        self.after = []

    def __call__(self, task):
        self.started.set()
        assert self.woken.wait(20)
        try:
            task.save(extra={"late": True})
        except LeaseLost as error:
            self.after.append(error)
            raise
        yield Pause(0)


def slow_clock(world):
    now = [1000.0]
    tasks = world.task_manager(
        monotonic=lambda: now[0],
        configured=lambda: type(world.settings.conductor)(
            stalled_work_timeout=60.0,
            node_locked_retry_attempts=0,
        ),
    )
    return now, tasks


def test_work_that_hangs_fails_and_its_later_writes_are_refused(world, caplog):
    now, tasks = slow_clock(world)
    node, hanging = world.node("available"), Hanging()
    tasks.spawn_after(node.uuid, deploy_with(hanging))
    assert hanging.started.wait(20)
    now[0] += 59
    assert tasks.stalled() == ()
    assert tasks.end_stalled() == 0
    now[0] += 2
    (found,) = tasks.stalled()
    assert (found.node_uuid, found.seconds) == (node.uuid, 61)
    assert tasks.end_stalled() == 1
    assert tasks.wait_idle(20)
    failed = world.get(node)
    assert failed.provision_state == "deploy failed"
    assert failed.reservation is None
    assert "deploy gave no sign of life for 61 s" in failed.last_error
    assert world.storage.leases.all() == []
    assert tasks.end_stalled() == 0
    with caplog.at_level(logging.WARNING):
        hanging.woken.set()
        until_quiet(world)
    assert len(hanging.after) == 1
    assert world.get(node) == failed
    assert "its change of extra is refused" in caplog.text
    assert "goes no further" in caplog.text


def until_quiet(world):
    pause = threading.Event()
    for _ in range(400):
        if not world.lanes.provisioning.figures().occupied:
            return
        pause.wait(0.05)
    raise AssertionError("a thread did not end")


def test_a_node_whose_work_hung_can_be_used_before_that_wakes_up(world):
    now, tasks = slow_clock(world)
    node, hanging = world.node("available"), Hanging()
    tasks.spawn_after(node.uuid, deploy_with(hanging))
    assert hanging.started.wait(20)
    now[0] += 61
    tasks.end_stalled()
    assert tasks.wait_idle(20)
    tasks.spawn_after(node.uuid, deploy_with(pausing))
    hanging.woken.set()
    world.timer.pass_time()
    assert tasks.wait_idle(20)
    until_quiet(world)
    seen = world.get(node)
    assert (seen.provision_state, seen.extra) == ("active", {})


def test_work_that_saves_or_pauses_does_not_hang(world):
    now, tasks = slow_clock(world)

    def saving(task):
        now[0] += 50
        task.save(extra={"n": 1})
        now[0] += 50
        assert tasks.stalled() == ()
        yield Pause(0)
        now[0] += 50
        assert tasks.stalled() == ()
        yield Pause(10_000)

    node = world.node("available")
    tasks.spawn_after(node.uuid, deploy_with(saving))
    world.timer.wait_for_pause()
    now[0] += 100_000
    assert tasks.stalled() == ()
    world.timer.pass_time()
    assert tasks.wait_idle(20)
    assert world.get(node).provision_state == "active"


def test_a_short_call_that_hangs_loses_its_node_as_well(world):
    now, tasks = slow_clock(world)
    node = world.node("active")
    with tasks.exclusive(node.uuid, "vif_attach") as task:
        now[0] += 61
        assert tasks.end_stalled() == 1
        assert tasks.wait_idle(20)
        assert world.get(node).reservation is None
        with pytest.raises(LeaseLost):
            task.save(extra={"late": True})
    assert world.get(node).extra == {}
    (event,) = world.storage.history.page(node.uuid)
    assert (event.event_type, event.severity) == ("lock", "ERROR")
    assert "vif_attach gave no sign of life" in event.event


# -- leases that are ended from outside --------------------------------------


def test_a_broken_lock_fails_the_work_and_is_recorded_with_its_reason(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.timer.wait_for_pause()
    world.conductor.break_lock(node.uuid, "the BMC is on fire")
    seen = world.get(node)
    assert seen.reservation is None
    assert seen.provision_state == "deploy failed"
    assert seen.last_error == (
        "An administrator broke the lock (the BMC is on fire) while the node "
        'was "deploying".'
    )
    assert world.storage.leases.all() == []
    event = world.storage.history.page(node.uuid)[-1]
    assert (event.event_type, event.severity) == ("lock", "ERROR")
    assert event.event == (
        "The lock of the node (used by me for deploy since "
        "2027-01-15T08:00:00+00:00) was broken: the BMC is on fire"
    )
    assert world.tasks.wait_idle(0)
    world.timer.pass_time()
    until_quiet(world)
    assert world.get(node) == seen


@pytest.mark.parametrize("state", ["deleting", "verifying"])
def test_work_that_an_administrator_ended_does_not_begin_again(world, state):
    node = world.node(state)
    world.take(node, OTHER)
    world.conductor.break_lock(node.uuid, "enough")
    seen = world.get(node)
    assert seen.provision_state in ("error", "enroll")
    assert "enough" in seen.last_error


def test_a_broken_lock_of_a_resting_node_changes_nothing_else(world):
    node = world.node("active")
    world.take(node, OTHER)
    world.conductor.break_lock(node.uuid, "left behind")
    seen = world.get(node)
    assert (seen.provision_state, seen.last_error) == ("active", None)
    (event,) = world.storage.history.page(node.uuid)
    assert event.severity == "INFO"
    assert "left behind" in event.event


def test_a_reservation_without_a_lease_can_be_broken_too(world):
    node = world.node("active", reservation="one of release 1")
    world.conductor.break_lock(node.uuid, "upgrade")
    assert world.get(node).reservation is None


def test_only_the_lock_that_was_looked_at_is_broken(world):
    node = world.node("active")
    first = world.take(node, OTHER).lease_token
    world.storage.leases.give_back(node.uuid, first)
    with pytest.raises(NodeNotLocked) as caught:
        world.conductor.break_lock(node.uuid, "why not")
    assert caught.value.status == 404
    second = world.take(node, OTHER).lease_token
    with pytest.raises(LockChanged) as caught:
        world.conductor.break_lock(node.uuid, "why not", first)
    assert caught.value.status == 409
    assert world.get(node).lease_token == second
    world.conductor.break_lock(node.uuid, "why not", second)
    assert world.get(node).reservation is None


def test_a_lock_is_broken_although_its_holder_keeps_writing(world):
    node = world.node("deploying")
    token = world.take(node, OTHER).lease_token
    real, written = world.storage.leases.of_node, []

    def holder_writes(uuid):
        if len(written) < 3:
            written.append(1)
            world.storage.nodes.change(
                uuid, {"extra": {"n": len(written)}}, token=token
            )
        return real(uuid)

    world.storage.leases.of_node = holder_writes
    world.conductor.break_lock(node.uuid, "stop it")
    assert world.get(node).provision_state == "deploy failed"
    assert world.get(node).extra == {"n": 3}


def test_work_whose_lease_was_ended_elsewhere_stops_at_its_next_pause(world):
    steps = []

    def stepping(task):
        for number in range(3):
            steps.append(number)
            yield Pause(1)

    kept, lost = world.node("available"), world.node("available")
    world.tasks.spawn_after(kept.uuid, deploy_with(pausing))
    world.tasks.spawn_after(lost.uuid, deploy_with(stepping))
    assert world.tasks.drop_lost() == 0
    world.storage.leases.give_back(lost.uuid, world.get(lost).lease_token)
    assert world.tasks.drop_lost() == 1
    assert world.tasks.running == 1
    while world.tasks.running:
        world.timer.pass_time()
        world.tasks.wait_idle(0.2)
    until_quiet(world)
    assert steps == [0]
    assert world.get(kept).provision_state == "active"
    assert world.get(lost).provision_state == "deploying"
    assert world.tasks.drop_lost() == 0


def test_the_watch_finds_what_hangs_and_what_was_lost(world):
    now, tasks = slow_clock(world)
    hung, lost, hanging = (
        world.node("available"),
        world.node("available"),
        Hanging(),
    )
    tasks.spawn_after(lost.uuid, deploy_with(pausing))
    tasks.spawn_after(hung.uuid, deploy_with(hanging))
    assert hanging.started.wait(20)
    world.storage.leases.give_back(lost.uuid, world.get(lost).lease_token)
    now[0] += 61
    tasks.watch()
    assert tasks.wait_idle(20)
    assert world.get(hung).provision_state == "deploy failed"
    hanging.woken.set()
    until_quiet(world)


def test_operations_that_are_let_go_end_at_their_next_pause(world):
    nodes = [world.node("available") for _ in range(3)]
    for node in nodes:
        world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    assert world.tasks.let_go([nodes[0].uuid]) == 1
    assert world.tasks.running == 2
    assert world.tasks.let_go() == 2
    assert world.tasks.wait_idle(0)
    world.timer.pass_time()
    until_quiet(world)
    assert {world.get(n).provision_state for n in nodes} == {"deploying"}


# -- lanes -------------------------------------------------------------------


def test_the_lanes_of_a_conductor_are_shown(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.timer.wait_for_pause()
    until_quiet(world)
    lanes = {lane.name: lane for lane in world.conductor.lanes("me")}
    assert lanes["provisioning"].paused == 1
    assert lanes["provisioning"].admitted == 1
    assert lanes["operator"].size == 4
    with pytest.raises(ConductorNotFound):
        world.conductor.lanes("other")
    world.timer.pass_time()
    world.idle()


def test_power_is_switched_while_provisioning_has_no_hand_free(world):
    gate, started = threading.Event(), threading.Semaphore(0)

    def blocking(task):
        started.release()
        assert gate.wait(20)
        yield Pause(0)

    for _ in range(4):
        node = world.node("available")
        world.tasks.spawn_after(node.uuid, deploy_with(blocking))
        assert started.acquire(timeout=20)
    with pytest.raises(NoFreeWorker):
        world.tasks.spawn_after(
            world.node("available").uuid, deploy_with(pausing)
        )
    other = world.node("active", power_state="power on")
    world.conductor.change_node_power_state(other.uuid, "power off")
    pause = threading.Event()
    for _ in range(400):
        if world.get(other).power_state == "power off":
            break
        pause.wait(0.05)
    assert world.get(other).power_state == "power off"
    gate.set()
    world.idle()
