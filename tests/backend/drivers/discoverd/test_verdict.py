# SPDX-License-Identifier: Apache-2.0
"""What the service's records mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.drivers.discoverd import verdict
from baremetal_backend.drivers.discoverd.attempt import Attempt, Seen
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.verdict import (
    Done,
    Failed,
    Missing,
    NotStarted,
    Waits,
    judge,
)

OLD = Seen("1", "2", True)
NEW = Attempt("a")
ASKED = Attempt("a", asked=True, before=OLD)
ANSWERED = ASKED.begun()

STALE = Status("n", True, None, "1", "2")
STALE_ERROR = Status("n", True, "boom", "1", "2")
RUNS = Status("n", False, None, "3", None)
ENDED = Status("n", True, None, "3", "4")
BROKE = Status("n", True, "no disks", "3", "4")
#: The service commits the state before the rest.
HALF_BROKE = Status("n", False, "no disks", "3", None)

SAYS = Failed("the inspection service says: no disks")


@pytest.mark.parametrize(
    "attempt, status, expected",
    [
        (None, None, Failed(verdict.NEVER_BEGUN)),
        (None, ENDED, Failed(verdict.NEVER_BEGUN)),
        (NEW, None, NotStarted()),
        (NEW, ENDED, NotStarted()),
        (ASKED, None, NotStarted()),
        (ASKED, STALE, NotStarted()),
        (ASKED, STALE_ERROR, NotStarted()),
        (ASKED, RUNS, Waits()),
        (ASKED, ENDED, Done()),
        (ASKED, BROKE, SAYS),
        (ANSWERED, None, Missing()),
        (ANSWERED, STALE, Missing()),
        (ANSWERED, RUNS, Waits()),
        (ANSWERED, ENDED, Done()),
        (ANSWERED, BROKE, SAYS),
        (ANSWERED, HALF_BROKE, Waits()),
    ],
)
def test_each_row_of_the_table(attempt, status, expected):
    assert judge(attempt, status) == expected


@pytest.mark.parametrize("status", [None, STALE, STALE_ERROR])
def test_a_record_that_is_missed_twice_is_gone(status):
    assert judge(ANSWERED, status, misses=1) == Failed(verdict.FORGOTTEN)


TIMES = st.none() | st.sampled_from("123")


@given(
    st.builds(
        Attempt,
        st.just("a"),
        asked=st.booleans(),
        answered=st.booleans(),
        before=st.none() | st.builds(Seen, TIMES, TIMES, st.booleans()),
    ),
    st.none()
    | st.builds(
        Status,
        st.just("n"),
        st.booleans(),
        st.none() | st.just("boom"),
        TIMES,
        TIMES,
    ),
    st.integers(0, 3),
)
def test_an_end_is_always_of_the_attempts_own_record(attempt, status, misses):
    found = judge(attempt, status, misses)
    if found == Done():
        assert status.finished and not status.error
        assert attempt.owns(status)
    if isinstance(found, NotStarted):
        assert not attempt.answered
