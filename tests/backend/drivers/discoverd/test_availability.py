# SPDX-License-Identifier: Apache-2.0
"""One warning per change of trouble, and pauses that grow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_backend.drivers.discoverd.availability import (
    ANSWERS,
    LONGEST_PAUSE,
    all_clear,
    warning,
)

WHY = "The inspection service at http://h:5050/v1 answers 503."


def test_a_service_is_asked_until_it_fails():
    assert ANSWERS.admits(0.0)
    assert ANSWERS.pause(0.0) == 0.0


def test_pauses_double_up_to_five_minutes():
    now, pauses, it = 1000.0, [], ANSWERS
    for _ in range(6):
        it = it.failed("unreachable", now, 60.0, 1.0)
        pauses.append(it.pause(now) / 0.95)
        now = it.ask_at
    assert pauses == pytest.approx([60, 120, 240, 300, 300, 300])


def test_a_period_longer_than_five_minutes_is_the_longest_pause():
    it = ANSWERS.failed("error", 0.0, 900.0, 1.0)
    it = it.failed("error", it.ask_at, 900.0, 1.0)
    assert it.pause(it.since) <= 2 * 900.0
    assert it.ask_at - 0.95 * 900.0 == pytest.approx(0.95 * 900.0)


def test_the_first_pause_ends_before_the_next_poll():
    it = ANSWERS.failed("timeout", 100.0, 60.0, 1.0)
    assert not it.admits(100.0)
    assert it.admits(160.0)


def test_many_failures_at_once_are_one():
    first = ANSWERS.failed("unreachable", 100.0, 60.0, 0.5)
    again = first
    for _ in range(20):
        again = again.failed("timeout", 101.0, 60.0, 0.5)
    assert again == first


def test_another_trouble_is_known_since_the_first():
    it = ANSWERS.failed("unreachable", 100.0, 1.0, 0.0)
    it = it.failed("access", 200.0, 1.0, 0.0)
    assert (it.trouble, it.since, it.failures) == ("access", 100.0, 2)


def test_an_answer_ends_all_of_it():
    assert ANSWERS.failed("error", 1.0, 1.0, 0.0).answered() == ANSWERS


def test_the_warning_says_who_how_whom_and_when():
    it = ANSWERS.failed("error", 100.0, 60.0, 1.0)
    assert warning(ANSWERS, it, WHY, 5, 100.0) == (
        "The inspection service at http://h:5050/v1 answers 503. 5 nodes wait "
        "for it. It is asked again in 57 s; no inspection fails for that "
        "before [conductor]inspect_wait_timeout."
    )


@pytest.mark.parametrize(
    ("waiting", "words"),
    [(None, "503. It is"), (0, " 0 nodes wait"), (1, " 1 node waits for it.")],
)
def test_the_warning_counts_the_nodes_if_it_can(waiting, words):
    it = ANSWERS.failed("error", 100.0, 60.0, 1.0)
    assert words in warning(ANSWERS, it, WHY, waiting, 100.0)


def test_the_same_trouble_is_said_once_and_another_once_more():
    first = ANSWERS.failed("error", 100.0, 60.0, 1.0)
    second = first.failed("error", 200.0, 60.0, 1.0)
    third = second.failed("timeout", 400.0, 60.0, 1.0)
    assert warning(first, second, WHY, 5, 200.0) is None
    assert warning(second, third, WHY, 5, 400.0) is not None


def test_the_all_clear_says_how_long_it_was():
    it = ANSWERS.failed("error", 100.0, 60.0, 1.0)
    assert all_clear(it, "http://h", 412.0) == (
        "The inspection service at http://h answers again, 312 s after it "
        "stopped to."
    )
    assert all_clear(ANSWERS, "http://h", 412.0) is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["unreachable", "error", "access"]),
            st.floats(0, 1000),
            st.floats(0, 1),
        ),
        min_size=1,
    ),
    st.integers(1, 3600),
)
def test_whatever_fails_it_is_asked_again_in_time(failures, period):
    it, now, warnings = ANSWERS, 0.0, 0
    for trouble, passed, chance in failures:
        now += passed
        before = it
        it = it.failed(trouble, now, float(period), chance)
        warnings += warning(before, it, WHY, 1, now) is not None
        assert it.pause(now) <= max(period, LONGEST_PAUSE)
        assert it.trouble is not None
    # One at the begin, and at most one for each pause that ended.
    assert 1 <= warnings <= it.failures
