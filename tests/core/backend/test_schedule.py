# SPDX-License-Identifier: Apache-2.0
"""When a periodic task runs: tables, and a machine that plays with time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from baremetal_backend.core.schedule import (
    Begin,
    Overran,
    Overrun,
    Plan,
    Timing,
    ended,
    replan,
    start,
    tick,
)

EVERY_10 = Plan(spacing=10.0)
QUEUE = Plan(spacing=10.0, overrun=Overrun.QUEUE_ONE)


def play(plan: Plan, script: list[tuple[float, str]]) -> list[float]:
    """The times at which runs begin; the script says when they end."""
    timing = start(plan, 0.0, 0.0)
    begun = []
    for now, what in script:
        if what == "end":
            timing = ended(timing, now)
        timing, outcome = tick(timing, now, 0.0)
        if isinstance(outcome, Begin):
            begun.append(now)
    return begun


@pytest.mark.parametrize(
    ("plan", "script", "begun"),
    [
        # A run that ends in time: the grid is kept, it does not drift.
        (
            EVERY_10,
            [
                (5, ""),
                (10, ""),
                (13, "end"),
                (19, ""),
                (20.5, ""),
                (21, "end"),
                (30, ""),
            ],
            [10, 20.5, 30],
        ),
        # One that takes 25 s: the runs at 20 and 30 are left out.
        (
            EVERY_10,
            [(10, ""), (20, ""), (30, ""), (35, "end"), (40, "")],
            [10, 40],
        ),
        # The same, queued: one follows at once, the next is at 40 again.
        (
            QUEUE,
            [
                (10, ""),
                (20, ""),
                (30, ""),
                (35, "end"),
                (36, "end"),
                (39, ""),
                (40, ""),
            ],
            [10, 35, 40],
        ),
        # The machine slept: one run, not as many as were missed.
        (
            EVERY_10,
            [(10, ""), (11, "end"), (1000, ""), (1001, "end")],
            [10, 1000],
        ),
        (
            Plan(10.0, run_immediately=True),
            [(0, ""), (1, "end"), (9, ""), (10, "")],
            [0, 10],
        ),
        (Plan(10.0, enabled=False), [(10, ""), (20, "")], []),
        (Plan(10.0, enabled=False, run_immediately=True), [(0, "")], []),
    ],
)
def test_runs_begin_at_the_points_of_the_grid(plan, script, begun):
    assert play(plan, script) == begun


def test_lag_is_how_late_a_run_begins():
    timing = start(EVERY_10, 100.0, 0.0)
    _, outcome = tick(timing, 112.5, 0.0)
    assert outcome == Begin(lag=2.5)


def test_the_first_overrun_of_a_run_is_told_apart_from_the_next():
    timing, _ = tick(start(EVERY_10, 0.0, 0.0), 10.0, 0.0)
    timing, first = tick(timing, 20.0, 0.0)
    timing, second = tick(timing, 30.0, 0.0)
    assert (first, second) == (Overran(first=True), Overran(first=False))
    assert timing.missed == 2
    timing = ended(timing, 31.0)
    timing, _ = tick(timing, 40.0, 0.0)
    _, again = tick(timing, 50.0, 0.0)
    assert again == Overran(first=True)


def test_a_queued_run_is_not_missed_but_further_ones_are():
    timing, _ = tick(start(QUEUE, 0.0, 0.0), 10.0, 0.0)
    timing, _ = tick(timing, 20.0, 0.0)
    assert (timing.queued, timing.missed) == (True, 0)
    timing, _ = tick(timing, 30.0, 0.0)
    assert (timing.queued, timing.missed) == (True, 1)


def test_jitter_delays_a_run_and_does_not_move_the_grid():
    plan = Plan(spacing=10.0, jitter=0.5)
    timing = start(plan, 0.0, chance=0.8)
    assert timing.due == 14.0
    timing, outcome = tick(timing, 14.0, chance=0.0)
    assert outcome == Begin(lag=0.0)
    assert timing.due == 20.0


@pytest.mark.parametrize(
    ("spacing", "now", "due"),
    [
        (5.0, 12.0, 15.0),  # the last point was 10
        (5.0, 17.0, 17.0),  # that is past: at once
        (60.0, 12.0, 70.0),
        (10.0, 12.0, 20.0),
    ],
)
def test_a_new_spacing_counts_from_the_last_point(spacing, now, due):
    timing, _ = tick(start(EVERY_10, 0.0, 0.0), 10.0, 0.0)
    timing = ended(timing, 11.0)
    assert replan(timing, Plan(spacing), now, 0.0).due == due


def test_a_task_that_is_switched_on_first_runs_after_one_spacing():
    off = start(Plan(10.0, enabled=False), 0.0, 0.0)
    assert replan(off, Plan(10.0), 100.0, 0.0).due == 110.0


def test_a_task_that_is_switched_off_during_a_run_begins_no_other():
    timing, _ = tick(start(QUEUE, 0.0, 0.0), 10.0, 0.0)
    timing, _ = tick(timing, 20.0, 0.0)
    timing = replan(timing, Plan(10.0, enabled=False), 21.0, 0.0)
    timing = ended(timing, 22.0)
    assert tick(timing, 1000.0, 0.0) == (timing, None)


@given(
    st.floats(0.001, 1e5),
    st.floats(0, 1e9),
    st.floats(0, 1e6),
    st.floats(0, 1),
)
def test_the_next_run_is_always_later_than_now(spacing, began, late, chance):
    timing = start(Plan(spacing, jitter=1.0), began, 0.0)
    now = began + spacing + late
    timing, outcome = tick(timing, now, chance * 0.999)
    assert isinstance(outcome, Begin)
    assert timing.due is not None
    assert timing.due > now or now + spacing == now


class Clockwork(RuleBasedStateMachine):
    """Ends, reloads and passing time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.timing: Timing
        self.running = False
        self.begun = 0
        self.due_points = 0

    plans = st.builds(
        Plan,
        spacing=st.floats(0.5, 50),
        enabled=st.booleans(),
        run_immediately=st.booleans(),
        overrun=st.sampled_from(Overrun),
        jitter=st.floats(0, 1),
    )
    chances = st.floats(0, 0.999)

    @initialize(plan=plans, chance=chances)
    def begin(self, plan, chance):
        self.timing = start(plan, self.now, chance)

    @rule(seconds=st.floats(0, 200), chance=chances)
    def time_passes(self, seconds, chance):
        self.now += seconds
        before = self.timing
        self.timing, outcome = tick(before, self.now, chance)
        if isinstance(outcome, Begin):
            assert not self.running, "it overlapped itself"
            assert before.plan.enabled
            assert outcome.lag >= 0
            self.running = True
            self.begun += 1
        if outcome is None:
            assert self.timing is before

    @rule()
    def a_run_ends(self):
        if self.running:
            queued = self.timing.queued
            self.timing = ended(self.timing, self.now)
            self.running = False
            assert not queued or self.timing.due == self.now

    @rule(plan=plans, chance=chances)
    def the_configuration_is_read_again(self, plan, chance):
        self.timing = replan(self.timing, plan, self.now, chance)
        assert self.timing.plan == plan

    @rule(chance=chances)
    def the_configuration_is_read_again_without_a_change(self, chance):
        same = replan(self.timing, self.timing.plan, self.now, chance)
        assert same is self.timing

    @invariant()
    def it_knows_whether_it_runs(self):
        if hasattr(self, "timing"):
            assert self.timing.running == self.running

    @invariant()
    def it_is_due_if_and_only_if_it_is_enabled(self):
        if hasattr(self, "timing"):
            plan = self.timing.plan
            assert (self.timing.due is not None) == plan.enabled
            if self.timing.due is not None:
                latest = self.now + plan.spacing * (1 + plan.jitter)
                assert self.timing.due <= latest + 1e-6


TestClockwork = Clockwork.TestCase
