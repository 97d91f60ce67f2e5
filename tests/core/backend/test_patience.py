# SPDX-License-Identifier: Apache-2.0
"""When a failed transaction is tried again, and when no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.patience import Failure, Patience

HURRIED = Patience(db_max_retries=4, db_retry_interval=1.0, seconds=60.0)


def test_a_dead_connection_is_replaced_at_once_and_then_waited_for():
    pauses = [HURRIED.pause(Failure.DEAD, n, 0.0, 1.0) for n in range(1, 6)]
    assert pauses == [0.0, 1.0, 2.0, 4.0, None]


def test_the_pause_is_not_doubled_for_ever():
    patient = Patience(-1, 1.0, 3.0, 1e9)
    assert patient.pause(Failure.DEAD, 50, 0.0, 1.0) == 3.0
    assert patient.pause(Failure.DEADLOCK, 50, 0.0, 1.0) == 0.5


def test_those_who_failed_together_come_back_apart():
    pauses = {HURRIED.pause(Failure.DEADLOCK, 2, 0.0, c / 4) for c in range(5)}
    assert pauses == {0.0, 0.01, 0.02, 0.03, 0.04}


def test_what_would_fail_again_is_not_tried_again():
    assert HURRIED.pause(Failure.OTHER, 1, 0.0, 0.5) is None


def test_nobody_waits_longer_than_the_seconds_that_are_given():
    patient = Patience(db_max_retries=-1, seconds=5.0)
    assert patient.pause(Failure.DEAD, 3, 4.5, 0.0) is None
    assert patient.pause(Failure.DEADLOCK, 1, 4.9, 1.0) is not None
    assert patient.pause(Failure.DEADLOCK, 9, 5.1, 0.0) is None


@given(
    st.sampled_from([Failure.DEAD, Failure.DEADLOCK]),
    st.integers(1, 10_000),
    st.floats(0, 100),
    st.floats(0, 1),
)
def test_a_pause_never_ends_after_the_deadline(kind, attempt, elapsed, chance):
    patient = Patience(db_max_retries=-1, seconds=5.0)
    pause = patient.pause(kind, attempt, elapsed, chance)
    assert pause is None or (pause >= 0 and elapsed + pause <= 5.0)


@pytest.mark.parametrize("kind", [Failure.DEAD, Failure.DEADLOCK])
def test_no_retries_means_none(kind):
    assert Patience(db_max_retries=0).pause(kind, 1, 0.0, 0.5) is None
