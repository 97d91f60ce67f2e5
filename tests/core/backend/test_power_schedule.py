# SPDX-License-Identifier: Apache-2.0
"""When a node is asked for its power state: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.power_schedule import (
    Budget,
    Pace,
    Turn,
    answered,
    failed,
    first,
    soon,
)

# In the middle of the jitter: none.
MIDDLE = 0.5

seconds = st.floats(min_value=0, max_value=1e6)
chances = st.floats(min_value=0, max_value=1, exclude_max=True)
intervals = st.floats(min_value=1, max_value=3600)


@pytest.mark.parametrize(
    ("pace", "faulty", "every"),
    [
        (Pace(60, 300), False, 60),
        (Pace(60, 300), True, 300),
        (Pace(0, 300), False, None),
        (Pace(-1, 300), True, 300),
        (Pace(60, 0), True, None),
        (Pace(60, -5), False, 60),
    ],
)
def test_an_interval_of_nothing_means_never(pace, faulty, every):
    assert pace.every(faulty) == every


def test_at_the_start_nodes_are_spread_over_the_interval():
    dues = sorted(first(60.0, 0.0, n / 100).due for n in range(100))
    assert dues[0] == 0
    assert dues[-1] <= 60
    for second in range(0, 60, 10):
        inside = [d for d in dues if second <= d < second + 10]
        assert 14 <= len(inside) <= 19


def test_nobody_is_asked_without_an_interval():
    assert first(None, 0.0, 0.3).due is None
    assert answered(Turn(5.0), None, 5.0, 0.1, 0.3).due is None
    assert failed(Turn(5.0), None, 5.0, 0.3).due is None


@pytest.mark.parametrize(
    ("took", "pause"),
    [
        (0.001, 60),
        (2.0, 60),
        # It spends a twentieth of its time on us at most.
        (6.0, 120),
        (9.0, 180),
        # But it is not forgotten.
        (60.0, 240),
    ],
)
def test_a_slow_controller_is_asked_less_often(took, pause):
    turn = answered(Turn(0.0), 60.0, 1000.0, took, MIDDLE)
    assert turn.due == 1000 + pause
    assert turn.latency == took


def test_one_slow_answer_among_many_changes_little():
    turn = Turn(0.0)
    for _ in range(10):
        turn = answered(turn, 60.0, 0.0, 0.01, MIDDLE)
    assert answered(turn, 60.0, 0.0, 5.0, MIDDLE).due == 60


def test_a_first_failure_is_confirmed_at_once_and_then_it_backs_off():
    turn, now, pauses = Turn(0.0), 0.0, []
    for _ in range(8):
        turn = failed(turn, 60.0, now, MIDDLE)
        pauses.append(turn.due - now)
        now = turn.due
    assert pauses == [0.5, 60, 90, 135, 202.5, 240, 240, 240]
    assert turn.failures == 8


def test_who_has_no_session_for_us_is_not_asked_again_at_once():
    assert failed(Turn(0.0), 60.0, 0.0, MIDDLE, confirm=False).due == 60


def test_an_answer_forgets_all_failures():
    turn = failed(failed(Turn(0.0), 60.0, 0.0, MIDDLE), 60.0, 1.0, MIDDLE)
    assert turn.confirmed
    turn = answered(turn, 60.0, 100.0, 0.01, MIDDLE)
    assert (turn.failures, turn.confirmed, turn.due) == (0, False, 160)


@pytest.mark.parametrize(
    ("due", "expected"), [(None, 101), (130, 101), (100.5, 100.5), (99, 99)]
)
def test_what_happened_to_a_node_only_ever_pulls_it_forward(due, expected):
    assert soon(Turn(due), 100.0, MIDDLE).due == expected


@given(intervals, seconds, st.floats(0, 1000), chances)
def test_the_next_question_is_within_known_limits(every, now, took, chance):
    due = answered(Turn(), every, now, took, chance).due
    assert 0.9 * every - 0.001 <= due - now <= 4.4 * every + 0.501


@given(intervals, seconds, st.lists(chances, min_size=1, max_size=30))
def test_backing_off_has_a_limit_and_never_goes_back_in_time(
    every, now, draws
):
    turn = Turn(now)
    for number, chance in enumerate(draws, 1):
        now = turn.due
        turn = failed(turn, every, now, chance)
        assert turn.failures == number
        assert now < turn.due <= now + 4.4 * every + 0.501


@given(
    st.floats(0.5, 500),
    st.lists(
        st.tuples(st.floats(0, 2), st.integers(1, 400)),
        min_size=1,
        max_size=60,
    ),
)
def test_no_more_is_asked_than_the_rate_allows(rate, steps):
    now, total, budget = 0.0, 0, Budget.full(rate, 0.0)
    for passed, wanted in steps:
        now += passed
        budget = budget.refilled(now)
        allowed = budget.allows(wanted)
        assert 0 <= allowed <= wanted
        budget = budget.spent(allowed)
        total += allowed
        # Half a second's worth, one at least, may go out at once.
        assert total <= max(1.0, rate / 2) + rate * now + 1e-6


@given(st.floats(0.5, 500), st.integers(1, 1000))
def test_after_its_wait_a_budget_allows_one_more(rate, wanted):
    budget = Budget.full(rate, 0.0)
    budget = budget.spent(budget.allows(wanted))
    later = budget.refilled(budget.wait() + 1e-6)
    assert later.allows(1) == 1


def test_a_rate_of_nothing_is_no_limit():
    budget = Budget.full(0.0, 0.0)
    assert budget.spent(10**6).refilled(1.0).allows(10**6) == 10**6
    assert budget.wait() == 0
