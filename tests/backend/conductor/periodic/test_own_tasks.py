# SPDX-License-Identifier: Apache-2.0
"""The conductor's own tasks, on real nodes and a played clock."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.conductor.history_cap import HistoryCap
from baremetal_backend.conductor.node_periodic import Report
from baremetal_backend.conductor.periodic.periodics import Periodics
from baremetal_backend.conductor.waiting_timeouts import WaitingTimeouts
from baremetal_backend.core.states import STATES
from baremetal_backend.core.waiting import TIMED

SINCE = "2026-01-01T00:00:00+00:00"


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timeouts(world):
    options = {
        f"conductor.{STATES[state].on_timeout.option}": 100 for state in TIMED
    }
    return Timeouts(world, options)


class Timeouts:
    def __init__(self, world, options) -> None:
        self.clock = Clock()
        self.options = options
        self.task = WaitingTimeouts(options.__getitem__, self.clock)
        periodics = Periodics(
            world.conductor._context, lambda *_: True, monotonic=self.clock
        )
        self.manager = periodics.manager

    def after(self, seconds: float) -> Report:
        self.clock.now = 5000.0 + seconds
        report = self.task.end_waits(self.manager, None)
        return dataclasses.replace(report, seconds=0.0)


@pytest.mark.parametrize("state", TIMED)
def test_a_node_that_waited_too_long_fails_and_says_why(
    world, timeouts, state
):
    row = STATES[state]
    node = world.node(
        state,
        provision_updated_at=SINCE,
        target_provision_state=row.target,
    )
    assert timeouts.after(0) == Report(looked_at=1)
    assert timeouts.after(99) == Report(looked_at=1)
    assert world.get(node) == node
    assert timeouts.after(100) == Report(looked_at=1, acted=1)
    world.idle()
    seen = world.get(node)
    assert seen.provision_state == row.events[row.on_timeout.event]
    assert seen.reservation is None
    assert (
        f'nothing was heard for 100 s in "{state}" '
        f"([conductor]{row.on_timeout.option})"
    ) in seen.last_error
    assert timeouts.after(300) == Report(looked_at=0)


def test_each_state_has_its_own_limit_and_0_is_none(world, timeouts):
    timeouts.options["conductor.clean_callback_timeout"] = 0
    world.node("clean wait", provision_updated_at=SINCE)
    failing = world.node("wait call-back", provision_updated_at=SINCE)
    timeouts.after(0)
    assert timeouts.after(1e6) == Report(looked_at=2, acted=1)
    world.idle()
    assert world.get(failing).provision_state == "deploy failed"


def test_a_limit_that_is_changed_is_heeded_at_the_next_look(world, timeouts):
    world.node("clean wait", provision_updated_at=SINCE)
    timeouts.after(0)
    timeouts.options["conductor.clean_callback_timeout"] = 10
    assert timeouts.after(11).acted == 1


def test_nodes_in_maintenance_are_left_alone(world, timeouts):
    world.node("clean wait", maintenance=True, provision_updated_at=SINCE)
    timeouts.after(0)
    assert timeouts.after(1e6) == Report(looked_at=0)


def test_a_node_in_use_is_left_alone_but_its_time_goes_on(world, timeouts):
    used = world.node("clean wait", provision_updated_at=SINCE)
    with world.tasks.exclusive(used.uuid, "a call"):
        timeouts.after(0)
        assert timeouts.after(1e6) == Report(looked_at=1, skipped=1)
    assert timeouts.after(1e6 + 1) == Report(looked_at=1, acted=1)
    world.idle()
    assert world.get(used).provision_state == "clean failed"


def test_a_poll_that_has_the_node_at_each_look_keeps_it_not_for_ever(
    world, timeouts
):
    world.set_conductor(background_lease_limit=0.0)
    used = world.node("clean wait", provision_updated_at=SINCE)
    with world.tasks.try_exclusive(used.uuid, "a poll"):
        timeouts.after(0)
    with world.tasks.try_exclusive(used.uuid, "a poll"):
        assert timeouts.after(100) == Report(looked_at=1, acted=1)
        assert world.get(used).provision_state == "clean failed"


def test_a_heartbeat_in_the_last_moment_wins(world, timeouts):
    node = world.node("clean wait", provision_updated_at=SINCE)
    timeouts.after(0)
    shared = timeouts.manager.shared

    def hears_first(node_id):
        world.storage.nodes.change(
            node.uuid,
            {"provision_updated_at": "2026-01-01T00:00:05+00:00"},
            unreserved=True,
        )
        return shared(node_id)

    timeouts.manager.shared = hears_first
    assert timeouts.after(100) == Report(looked_at=1, skipped=1)
    assert world.get(node).provision_state == "clean wait"


def test_a_wait_costs_one_query_as_long_as_it_is_not_too_long(world, timeouts):
    for _ in range(20):
        world.node("clean wait", provision_updated_at=SINCE)
    timeouts.after(0)
    reads = []
    real = world.storage.database.read
    world.storage.database.read = lambda work: reads.append(1) or real(work)
    timeouts.after(50)
    assert len(reads) == 1


class Trimmed:
    def __init__(self) -> None:
        self.calls: list[dict] = []

    def trim(self, **arguments) -> int:
        self.calls.append(arguments)
        return 7


def capped(most: int) -> list[dict]:
    options = {
        "conductor.node_history_max_entries": most,
        "conductor.node_history_minimum_days": 2,
        "conductor.node_history_cleanup_batch_count": 50,
    }
    history = Trimmed()
    HistoryCap(history, options.__getitem__).remove_old_events(None, None)
    return history.calls


def test_the_history_is_capped_as_the_options_say():
    assert capped(300) == [
        {"max_entries": 300, "minimum_days": 2, "batch": 50}
    ]


def test_no_cap_is_set_with_0():
    assert capped(0) == []


def test_the_newest_events_of_a_node_stay(world):
    node = world.node("available")
    for number in range(6):
        world.storage.nodes.change(
            node.uuid,
            {"description": str(number)},
            unreserved=True,
            event=world.tasks.event(node, "provisioning", str(number)),
        )
    options = {
        "conductor.node_history_max_entries": 2,
        "conductor.node_history_minimum_days": 0,
        "conductor.node_history_cleanup_batch_count": 3,
    }
    cap = HistoryCap(world.storage.history, options.__getitem__)
    cap.remove_old_events(None, None)
    assert world.history(node) == ["4", "5"]
