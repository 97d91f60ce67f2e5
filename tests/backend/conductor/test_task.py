# SPDX-License-Identifier: Apache-2.0
"""The task manager: when a node changes, who has it, how work ends."""

from __future__ import annotations

import os
import threading

import pytest

from baremetal_backend.conductor.operation import Provisioning
from baremetal_backend.conductor.timer import ThreadTimer
from baremetal_backend.core.errors import (
    HardwareFailed,
    NodeChanged,
    NodeLocked,
    NodeNotFound,
    NoFreeWorker,
    ShuttingDown,
    StorageUnavailable,
)
from baremetal_backend.core.records import Holder
from baremetal_backend.drivers.base import Pause
from tests.backend.conductor.conftest import World


def deploy_with(work):
    return Provisioning("active", work)


def pausing(task):
    yield Pause(7)


def test_the_caller_returns_only_when_the_new_state_is_stored(world):
    node = world.node("available", last_error="old")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    seen = world.get(node)
    assert seen.provision_state == "deploying"
    assert seen.target_provision_state == "active"
    assert seen.reservation == "me"
    assert seen.last_error is None
    assert world.history(node) == [
        '"available" -> "deploying" on deploy, target "active"'
    ]
    assert world.timer.wait_for_pause() == 7
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "active"
    assert world.get(node).reservation is None


def test_a_paused_operation_holds_no_thread(world):
    nodes = [world.node("available") for _ in range(12)]
    for node in nodes:
        world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    # Three times as many as there are threads.
    assert world.tasks.running == 12
    while world.tasks.running:
        world.timer.pass_time()
        world.tasks.wait_idle(0.2)
    assert {world.get(n).provision_state for n in nodes} == {"active"}


def test_without_a_free_worker_the_node_is_unchanged_to_the_last_byte(world):
    gate, started = threading.Event(), threading.Semaphore(0)

    def blocking(task):
        started.release()
        assert gate.wait(20)
        yield Pause(0)

    busy = [
        world.node("available") for _ in range(world.lanes.provisioning.size)
    ]
    for node in busy:
        world.tasks.spawn_after(node.uuid, deploy_with(blocking))
        assert started.acquire(timeout=20)
    node = world.node("available")
    before = raw_row(world, node)
    with pytest.raises(NoFreeWorker) as caught:
        world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    assert caught.value.status == 503
    assert caught.value.retry_after
    assert raw_row(world, node) == before
    assert world.history(node) == []
    gate.set()
    world.idle()


def raw_row(world, node):
    with world.storage.database.reading() as connection:
        return connection.exec_driver_sql(
            "SELECT * FROM nodes WHERE uuid = ?", (node.uuid,)
        ).one()


def test_a_second_operation_meets_a_locked_node(world):
    node = world.node("active")
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    slow = world.node("active", driver_info={"fake_power_delay": 9})
    world.conductor.change_node_power_state(slow.uuid, "power off")
    with pytest.raises(NodeLocked) as caught:
        world.conductor.change_node_power_state(slow.uuid, "power on")
    assert caught.value.status == 409
    assert "me" in caught.value.message
    with pytest.raises(NodeLocked):
        world.conductor.vif_attach(slow.uuid, {"id": "v"})
    with pytest.raises(NodeLocked):
        world.conductor.update_node(
            slow.uuid, {"name": "x"}, world.get(slow).version
        )
    with pytest.raises(NodeLocked):
        world.conductor.do_provisioning_action(slow.uuid, "deleted")
    world.timer.pass_time()
    world.idle()


def test_a_waiting_request_takes_the_node_as_soon_as_it_is_free(tmp_path):
    world = World(tmp_path)
    patient = world.task_manager(
        configured=lambda: type(world.settings.conductor)(
            node_locked_retry_attempts=3, node_locked_retry_interval=20.0
        )
    )
    node = world.node("available")
    patient.spawn_after(node.uuid, deploy_with(pausing))
    answers = []

    def second():
        patient.spawn_after(node.uuid, Provisioning("deleted", pausing))
        answers.append(world.get(node).provision_state)

    world.timer.wait_for_pause()
    # "deleted" is possible once the node is active; wait on another lock.
    world.timer.pass_time()
    assert patient.wait_idle(20)
    with patient.exclusive(node.uuid, "test"):
        thread = threading.Thread(target=second)
        thread.start()
    thread.join(20)
    assert answers == ["deleting"]
    world.timer.pass_time()
    assert patient.wait_idle(20)
    world.close()


def test_other_nodes_that_become_free_do_not_end_a_requests_patience(world):
    manager = world.task_manager(
        configured=lambda: type(world.settings.conductor)(
            node_locked_retry_attempts=1, node_locked_retry_interval=20.0
        )
    )
    node, others = world.node("active"), [world.node() for _ in range(5)]
    asked, done = threading.Event(), threading.Event()
    real = world.storage.nodes.get

    def request():
        with manager.exclusive(node.uuid, "second"):
            done.set()

    def counting(ident):
        found = real(ident)
        if ident == node.uuid:
            asked.set()
        return found

    with manager.exclusive(node.uuid, "first"):
        world.storage.nodes.get = counting
        thread = threading.Thread(target=request)
        thread.start()
        assert asked.wait(20)
        for other in others:
            with manager.exclusive(other.uuid, "noise"):
                pass
        assert thread.is_alive()
        assert not done.is_set()
    thread.join(30)
    assert done.is_set()


def test_a_change_between_decision_and_start_is_seen(world):
    node = world.node("available")
    real = world.storage.nodes.get

    def stale_once(ident):
        found = real(ident)
        world.storage.nodes.get = real
        world.storage.nodes.change(
            node.uuid, {"extra": {"k": 1}}, seen_version=found.version
        )
        return found

    world.storage.nodes.get = stale_once
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    seen = world.get(node)
    assert (seen.provision_state, seen.extra) == ("deploying", {"k": 1})
    world.timer.pass_time()
    world.idle()


def test_a_decision_is_made_anew_when_the_node_moved_in_between(world):
    # From available, "manage" is done at once; from enroll it is work.
    node = world.node("available")
    real = world.storage.nodes.get

    def stale_once(ident):
        found = real(ident)
        world.storage.nodes.get = real
        world.storage.nodes.change(
            node.uuid,
            {"provision_state": "enroll"},
            seen_version=found.version,
        )
        return found

    world.storage.nodes.get = stale_once
    world.tasks.spawn_after(node.uuid, Provisioning("manage", pausing))
    assert world.get(node).provision_state == "verifying"
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "manageable"
    assert world.get(node).reservation is None


def test_work_that_ends_in_nonsense_still_gives_the_node_back(world):
    def lost(task):
        task.save(provision_state="nirvana")
        yield Pause(0)

    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(lost))
    world.idle()
    seen = world.get(node)
    assert seen.reservation is None
    assert "nirvana" in seen.last_error


def test_an_error_of_the_hardware_becomes_the_last_error(world):
    def failing(task):
        yield Pause(0)
        raise HardwareFailed("fan 2 is dead")

    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(failing))
    world.idle()
    seen = world.get(node)
    assert seen.provision_state == "deploy failed"
    assert seen.last_error == "Failed to deploy: fan 2 is dead"
    assert seen.reservation is None
    last = world.storage.history.page(node.uuid)[-1]
    assert last.severity == "ERROR"
    assert "fan 2 is dead" in last.event


@pytest.mark.parametrize("fault", [ValueError("x"), KeyError("y"), OSError()])
def test_a_fault_of_the_software_fails_the_node_too(world, fault):
    def broken(task):
        raise fault
        yield

    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(broken))
    world.idle()
    seen = world.get(node)
    assert seen.provision_state == "deploy failed"
    assert type(fault).__name__ in seen.last_error
    assert seen.reservation is None


def test_work_whose_node_was_taken_away_writes_nothing_more(world):
    def works_on(task):
        yield Pause(1)
        task.save(extra={"late": True})

    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(works_on))
    world.timer.wait_for_pause()
    seen = world.get(node)
    world.storage.leases.give_back(node.uuid, seen.lease_token)
    other = world.take(node, Holder("other", "2" * 36))
    assert other.lease_token > seen.lease_token
    world.timer.pass_time()
    world.idle()
    assert world.get(node).extra == {}
    assert world.get(node).reservation == "other"
    assert world.get(node).provision_state == "deploying"


def test_work_whose_node_vanished_ends_quietly(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.timer.wait_for_pause()
    world.storage.nodes.delete(node.uuid, world.get(node).version)
    world.timer.pass_time()
    world.idle()
    with pytest.raises(NodeNotFound):
        world.get(node)


def test_the_end_is_written_again_until_the_database_answers(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.timer.wait_for_pause()
    real = world.storage.leases.give_back
    failures = []

    def refusing(*args, **kwargs):
        if len(failures) < 2:
            failures.append(1)
            raise StorageUnavailable("disk full")
        return real(*args, **kwargs)

    world.storage.leases.give_back = refusing
    world.timer.pass_time()
    assert world.timer.wait_for_pause() == 1.0
    world.timer.pass_time()
    assert world.timer.wait_for_pause() == 2.0
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "active"


def test_a_database_that_refuses_the_beginning_leaves_the_node_alone(world):
    node = world.node("available")

    def refusing(*args, **kwargs):
        raise StorageUnavailable("disk full")

    real, world.storage.leases.take = world.storage.leases.take, refusing
    with pytest.raises(StorageUnavailable) as caught:
        world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    assert caught.value.status == 503
    world.storage.leases.take = real
    assert world.get(node) == node
    world.idle()


def test_a_locked_database_answers_503_and_works_again_afterwards(world):
    node = world.node("available")
    other = os.path.realpath(world.path)
    import sqlite3

    blocker = sqlite3.connect(other, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="database"):
        world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    blocker.execute("ROLLBACK")
    blocker.close()
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "active"


def test_after_close_nothing_begins_and_what_runs_may_end(world):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, deploy_with(pausing))
    world.tasks.close()
    other = world.node("available")
    with pytest.raises(ShuttingDown) as caught:
        world.tasks.spawn_after(other.uuid, deploy_with(pausing))
    assert caught.value.status == 503
    assert not world.tasks.wait_idle(0)
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "active"
    assert world.get(other) == other


def test_a_short_operation_gives_the_node_back_whatever_happens(world):
    node = world.node("active")
    with (
        pytest.raises(ZeroDivisionError),
        world.tasks.exclusive(node.uuid, "test") as task,
    ):
        assert world.get(node).reservation == "me"
        task.save(extra={"a": 1})
        raise ZeroDivisionError
    assert world.get(node).reservation is None
    assert world.get(node).extra == {"a": 1}


def test_fifty_requests_for_one_node_start_its_work_once(world):
    node = world.node("available")
    results = []
    barrier = threading.Barrier(50)

    def request():
        barrier.wait(20)
        try:
            world.conductor.do_provisioning_action(node.uuid, "active")
            results.append("accepted")
        except Exception as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=request) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    world.idle()
    assert len(results) == 50
    assert results.count("accepted") == 1
    assert set(results) <= {
        "accepted",
        "NodeLocked",
        "InvalidStateRequested",
        "NoFreeWorker",
    }
    assert world.history(node) == [
        '"available" -> "deploying" on deploy, target "active"',
        '"deploying" -> "active" on done',
    ]
    assert world.get(node).provision_state == "active"


def test_an_update_that_saw_an_older_node_is_refused(world):
    node = world.node("enroll")
    newer = world.conductor.update_node(node.uuid, {"name": "a"}, node.version)
    assert newer.version == node.version + 1
    with pytest.raises(NodeChanged) as caught:
        world.conductor.update_node(node.uuid, {"name": "b"}, node.version)
    assert caught.value.status == 409
    assert world.get(node).name == "a"


def test_the_timer_calls_in_the_order_of_time_and_survives_a_fault():
    now = [0.0]
    timer = ThreadTimer(lambda: now[0])
    called, done = [], threading.Event()

    def fault():
        called.append("first")
        raise ValueError

    timer.call_later(2, done.set)
    timer.call_later(1, fault)
    now[0] = 3.0
    thread = threading.Thread(target=timer.run)
    thread.start()
    assert done.wait(20)
    assert called == ["first"]
    timer.stop()
    thread.join(20)
    assert not thread.is_alive()
