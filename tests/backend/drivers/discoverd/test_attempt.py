# SPDX-License-Identifier: Apache-2.0
"""Attempts: which record of the service is theirs, and how they are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.records import Node
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd.attempt import Attempt, Seen
from baremetal_backend.drivers.discoverd.ports import Status

NEW = Attempt("a")


def status(started, finished=None):
    return Status("n", finished is not None, None, started, finished)


def test_nothing_is_of_an_attempt_that_asked_for_nothing():
    assert not NEW.owns(status("1"))
    assert not NEW.owns(status("1", "2"))


def test_where_there_was_no_record_any_is_the_attempts():
    assert NEW.asking(None).owns(status("1", "2"))


def test_the_record_from_before_is_not_the_attempts():
    asked = NEW.asking(status("1", "2"))
    assert not asked.owns(status("1", "2"))
    assert asked.owns(status("3"))
    assert asked.owns(status("3", "4"))


def test_a_start_in_the_second_of_the_last_one_is_told_by_its_end():
    begun = NEW.asking(status("1", "1")).begun()
    assert begun.owns(status("1", "9"))


def test_an_old_record_that_is_gone_through_again_is_still_the_old_one():
    assert not NEW.asking(status("1", "2")).owns(status("1", "9"))


def test_one_that_went_on_when_it_was_asked_stays_another_ones():
    asked = NEW.asking(status("1"))
    assert not asked.owns(status("1"))
    assert not asked.owns(status("1", "2"))
    assert asked.owns(status("3"))


def test_times_are_only_compared_for_being_the_same():
    """The service's clock may have been set back."""
    assert NEW.asking(status("9", "9")).owns(status("1"))


@pytest.mark.parametrize("before", [None, "1"])
@pytest.mark.parametrize("now", [None, "2"])
def test_without_times_an_accepted_start_is_what_tells(before, now):
    asked = NEW.asking(status(before))
    assert asked.owns(status(now)) == (None not in (before, now))
    assert asked.begun().owns(status(now))


def test_without_times_one_that_is_no_longer_finished_is_new():
    over, runs = (
        Status("n", finished, None, None, None) for finished in (True, False)
    )
    asked = NEW.asking(over)
    assert asked.owns(runs)
    assert not asked.owns(over)
    assert not NEW.asking(runs).owns(runs)


TIMES = st.none() | st.text(max_size=3)


@given(
    st.booleans(),
    st.booleans(),
    st.none() | st.builds(Seen, TIMES, TIMES, st.booleans()),
)
def test_what_was_written_down_is_read_again(asked, answered, before):
    attempt = Attempt(
        "x", {"cpus": "4"}, asked, answered, before, {"cpus": "2"}
    )
    node = Node(uuid="n", driver="d", driver_internal_info={"other": 1})
    changes = attempts.written(node, attempt)
    assert attempts.read(changes["driver_internal_info"]) == attempt
    written = Node(uuid="n", driver="d", **changes)
    assert attempts.at(written) == attempt
    assert attempts.written(written, None) == {
        "driver_internal_info": {"other": 1}
    }


@pytest.mark.parametrize(
    "shown", [None, 7, "x", [], {}, {"id": 7}, {"id": None, "kept": {}}]
)
def test_what_can_not_be_read_is_no_attempt(shown):
    assert attempts.read({"discoverd": shown}) is None


def test_odd_parts_are_taken_for_missing_ones():
    read = attempts.read(
        {"discoverd": {"id": "x", "kept": [], "asked": "yes", "before": "1"}}
    )
    assert read == Attempt("x")
