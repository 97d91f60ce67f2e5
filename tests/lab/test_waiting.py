# SPDX-License-Identifier: Apache-2.0
"""Waiting has a deadline and tells what it waited for."""

import pytest

from lab.waiting import TimedOut, wait_for


class FakeTime:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_first_true_value_is_returned() -> None:
    time = FakeTime()
    answers = iter([None, "", "there"])
    value = wait_for(
        lambda: next(answers), 10, "answer", clock=time.clock, sleep=time.sleep
    )
    assert value == "there"
    assert time.now == 100.5


def test_after_the_deadline_the_goal_and_the_last_value_are_named() -> None:
    time = FakeTime()
    with pytest.raises(TimedOut) as caught:
        wait_for(
            lambda: 0, 3, "owner of n1", clock=time.clock, sleep=time.sleep
        )
    assert str(caught.value) == "no owner of n1 within 3 s (last seen: 0)"
    assert time.now == 103.0


def test_the_predicate_is_asked_even_when_there_is_no_time_left() -> None:
    assert wait_for(lambda: True, 0, "anything")
