# SPDX-License-Identifier: Apache-2.0
"""Who is let in, and when those who are not come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.lanes import LaneFigures, refusal, retry_after


def lane(name="provisioning", size=10, **values):
    return LaneFigures(name=name, size=size, **values)


def test_a_lane_with_a_free_place_lets_work_in():
    assert refusal(lane(busy=9)) is None


@pytest.mark.parametrize(("busy", "waiting"), [(10, 0), (8, 2), (0, 10)])
def test_work_that_wants_to_go_on_counts_as_much_as_work_that_runs(
    busy, waiting
):
    assert refusal(lane(busy=busy, waiting=waiting)) == (
        "all 10 workers of the provisioning lane are busy"
    )


def test_work_that_pauses_takes_no_place():
    assert refusal(lane(paused=5000)) is None


@pytest.mark.parametrize("name", ["operator", "provisioning"])
def test_background_work_waits_while_another_lane_is_nearly_full(name):
    background = lane("background")
    others = [lane(busy=0), lane(name, busy=8)]
    assert refusal(background, others, 80) is None
    others[1] = lane(name, busy=9)
    assert refusal(background, others, 80) == (
        f"the {name} lane is 90 % full, and background work waits above 80 %"
    )


def test_operators_do_not_wait_for_provisioning():
    full = lane(busy=10, waiting=10)
    assert full.percent == 200
    assert refusal(lane("operator")) is None


@pytest.mark.parametrize(
    ("mean", "busy", "waiting", "seconds"),
    [
        (0, 10, 0, 1),
        (5, 10, 0, 1),
        (100, 10, 0, 10),
        (100, 10, 2, 30),
        (10_000, 10, 0, 60),
    ],
)
def test_the_time_to_come_back_follows_from_the_lane(
    mean, busy, waiting, seconds
):
    full = lane(busy=busy, waiting=waiting, mean_seconds=mean)
    assert retry_after(full) == seconds


@given(
    size=st.integers(1, 1000),
    busy=st.integers(0, 5000),
    waiting=st.integers(0, 5000),
    mean=st.floats(0, 1e9),
)
def test_nobody_is_sent_away_for_less_than_a_second_or_over_a_minute(
    size, busy, waiting, mean
):
    figures = lane(size=size, busy=busy, waiting=waiting, mean_seconds=mean)
    found = retry_after(figures)
    assert 1 <= found <= 60
    assert found == int(found)
