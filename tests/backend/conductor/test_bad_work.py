# SPDX-License-Identifier: Apache-2.0
"""Work that behaves as no driver should: its node ends in a failure state."""

from __future__ import annotations

import asyncio
import time

import pytest

from baremetal_backend.conductor.operation import Provisioning
from baremetal_backend.core.errors import HardwareFailed, StorageUnavailable
from baremetal_backend.drivers.base import Pause


def idle_background(world):
    """Until the background lane has done what it was given."""
    deadline = time.monotonic() + 20
    while (now := world.lanes.background.figures()).occupied:
        assert time.monotonic() < deadline, now
        time.sleep(0.01)


def ended(world, work):
    node = world.node("available")
    world.tasks.spawn_after(node.uuid, Provisioning("active", work))
    while not world.tasks.wait_idle(0.5):
        world.timer.pass_time()
    seen = world.get(node)
    assert seen.reservation is None
    assert world.storage.leases.of_node(node.uuid) is None
    return seen


@pytest.mark.parametrize(
    "error", [SystemExit(2), asyncio.CancelledError(), KeyboardInterrupt()]
)
def test_whatever_work_raises_is_its_failure(world, error):
    def work(task):
        yield Pause(0)
        raise error

    node = ended(world, work)
    assert node.provision_state == "deploy failed"
    assert type(error).__name__ in node.last_error


def test_words_that_no_database_holds_are_told_all_the_same(world, caplog):
    # What a tool's output is decoded to with errors="surrogateescape".
    words = b"BMC says \xff".decode(errors="surrogateescape")

    def work(task):
        yield Pause(0)
        raise HardwareFailed(words)

    node = ended(world, work)
    assert node.provision_state == "deploy failed"
    assert "BMC says" in node.last_error
    assert caplog.text.encode()


def test_an_end_that_can_not_be_stored_is_a_failure(world, monkeypatch):
    give_back = world.storage.leases.give_back

    def refusing(uuid, token, changes=None, event=None, **rest):
        if changes and changes.get("provision_state") == "active":
            raise ValueError("not JSON")
        return give_back(uuid, token, changes, event, **rest)

    monkeypatch.setattr(world.storage.leases, "give_back", refusing)

    def work(task):
        yield Pause(0)

    node = ended(world, work)
    assert node.provision_state == "deploy failed"
    assert "not JSON" in node.last_error


@pytest.mark.parametrize(
    "pause",
    [
        None,
        5,
        Pause(float("inf")),
        Pause(float("nan")),
        Pause("1"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_pause_is_the_works_failure(world, pause):
    def work(task):
        yield pause

    node = ended(world, work)
    assert node.provision_state == "deploy failed"
    assert "pause" in node.last_error


def test_a_lease_that_was_taken_unheard_is_given_back(world, monkeypatch):
    take = world.storage.leases.take

    def unheard(*args, **kwargs):
        take(*args, **kwargs)
        raise StorageUnavailable("gone while it committed", retry_after=5.0)

    monkeypatch.setattr(world.storage.leases, "take", unheard)
    node = world.node("available")

    def work(task):
        yield Pause(0)

    with pytest.raises(StorageUnavailable):
        world.tasks.spawn_after(node.uuid, Provisioning("active", work))
    world.idle()
    monkeypatch.undo()
    assert world.get(node).provision_state == "deploying"
    world.tasks.watch()
    idle_background(world)
    seen = world.get(node)
    assert seen.reservation is None
    assert world.storage.leases.of_node(node.uuid) is None
    assert seen.provision_state == "deploy failed"
    assert seen.last_error


def test_a_lease_whose_operation_runs_is_kept(world):
    node = world.node("available")

    def work(task):
        yield Pause(9)

    world.tasks.spawn_after(node.uuid, Provisioning("active", work))
    world.timer.wait_for_pause()
    world.tasks.watch()
    idle_background(world)
    assert world.get(node).reservation == "me"
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == "active"


def test_work_outlives_an_outage_of_the_database(world, monkeypatch):
    slept, outages = [], 3
    change = world.storage.nodes.change

    def away(*args, **kwargs):
        nonlocal outages
        if kwargs.get("token") and outages:
            outages -= 1
            if not outages:
                # The last one was carried out all the same.
                change(*args, **kwargs)
            raise StorageUnavailable("The database is not available.")
        return change(*args, **kwargs)

    monkeypatch.setattr(world.storage.nodes, "change", away)
    tasks = world.task_manager(sleep=slept.append)
    node = world.node("available")

    def work(task):
        yield Pause(0)
        task.save(name="one")
        task.advance("wait")
        task.advance("resume")

    outages = 3
    tasks.spawn_after(node.uuid, Provisioning("active", work))
    assert tasks.wait_idle(20)
    assert world.get(node).provision_state == "active"
    assert world.get(node).name == "one"
    outages = 1
    node = world.node("available")

    def advancing(task):
        yield Pause(0)
        task.advance("wait")
        task.advance("resume")

    tasks.spawn_after(node.uuid, Provisioning("active", advancing))
    assert tasks.wait_idle(20)
    assert world.get(node).provision_state == "active"
    assert len(slept) == 4
    assert len(world.history(node)) == len(set(world.history(node))) == 4


def test_work_does_not_wait_for_the_database_for_ever(world, monkeypatch):
    slept = []
    change = world.storage.nodes.change

    def away(*args, **kwargs):
        if kwargs.get("token"):
            raise StorageUnavailable("The database is not available.")
        return change(*args, **kwargs)

    monkeypatch.setattr(world.storage.nodes, "change", away)
    tasks = world.task_manager(sleep=slept.append)
    node = world.node("available")

    def work(task):
        yield Pause(0)
        task.save(name="one")

    tasks.spawn_after(node.uuid, Provisioning("active", work))
    assert tasks.wait_idle(20)
    assert world.get(node).provision_state == "deploy failed"
    assert 30 <= sum(slept) <= 300
