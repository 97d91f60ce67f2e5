# SPDX-License-Identifier: Apache-2.0
"""Who is alive, concluded from nothing but changes that were seen."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.conductors import Health, Membership, observe
from baremetal_backend.core.records import ConductorRecord

TIMEOUT = 60.0
LONG_AGO = "2000-01-01T00:00:00+00:00"


def row(host="one", beat=0, incarnation="i", **values):
    return ConductorRecord(
        host=host,
        beat=beat,
        incarnation=incarnation,
        registered_at=LONG_AGO,
        renewed_at=LONG_AGO,
        **values,
    )


def watch(*looks, **options):
    """Looks: (seconds, rows...) -> the last membership."""
    found = Membership()
    for now, *rows in looks:
        found = observe(found, rows, float(now), TIMEOUT, **options)
    return found


def quiet(beat, start, end, step=1):
    return [(now, row(beat=beat)) for now in range(start, end, step)]


def health(found, host="one"):
    (member,) = [m for m in found.members if m.record.host == host]
    return member.health


def test_a_beat_that_moves_is_a_life():
    looks = [(now, row(beat=now // 10)) for now in range(300)]
    assert health(watch(*looks)) is Health.LIVE


def test_a_beat_that_stands_still_ends_after_the_whole_time_out():
    assert health(watch(*quiet(1, 0, 60))) is Health.LIVE
    found = watch(*quiet(1, 0, 61))
    assert health(found) is Health.SILENT
    assert "60 s" in found.members[0].reason


def test_the_others_clock_plays_no_part():
    future = dataclasses.replace(row(beat=1), renewed_at="2999-01-01T00:00:00")
    looks = [(now, future) for now in range(61)]
    assert health(watch(*looks)) is Health.SILENT


def test_a_time_in_which_nobody_looked_is_nobodys_silence():
    outage = [*quiet(1, 0, 10), (300, row(beat=1)), (301, row(beat=1))]
    assert health(watch(*outage)) is Health.LIVE
    later = [*outage, *((now, row(beat=1)) for now in range(302, 352))]
    assert health(watch(*later)) is Health.SILENT


def test_a_row_that_looks_old_gets_no_work_until_it_moves():
    old = {"looks_old": frozenset({"i"})}
    assert health(watch((0, row(beat=1)), **old)) is Health.UNPROVEN
    moved = watch((0, row(beat=1)), (1, row(beat=2)), **old)
    assert health(moved) is Health.LIVE


def test_a_row_that_looks_old_is_not_gone_sooner_than_others():
    old = {"looks_old": frozenset({"i"})}
    assert health(watch(*quiet(1, 0, 60), **old)) is Health.UNPROVEN
    assert health(watch(*quiet(1, 0, 61), **old)) is Health.SILENT


def test_a_conductor_that_came_back_is_another():
    found = watch(
        *quiet(7, 0, 61), (61, row(beat=0, incarnation="j", state="active"))
    )
    assert health(found) is Health.LIVE
    assert found.alive("j")
    assert not found.alive("i")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("active", Health.LIVE),
        ("draining", Health.DRAINING),
        ("gone", Health.GONE),
    ],
)
def test_what_a_conductor_or_a_judge_wrote_counts_at_once(state, expected):
    assert health(watch((0, row(state=state)))) is expected


def test_one_that_drains_and_dies_is_silent_too():
    looks = [(now, row(state="draining")) for now in range(61)]
    assert health(watch(*looks)) is Health.SILENT


def test_an_observer_does_not_judge_itself():
    found = watch(*quiet(1, 0, 200), trusted=frozenset({"i"}))
    assert health(found) is Health.LIVE


def test_a_conductor_that_left_is_not_remembered():
    found = watch((0, row("one"), row("two", incarnation="k")), (1, row()))
    assert [m.record.host for m in found.members] == ["one"]
    assert list(found.sightings) == ["one"]


@given(
    st.lists(
        st.tuples(st.floats(0.1, 30), st.booleans()), min_size=1, max_size=60
    )
)
def test_nobody_is_silent_who_moved_within_the_time_out(steps):
    found, now, beat, still = Membership(), 0.0, 0, 0.0
    found = observe(found, [row(beat=0)], now, TIMEOUT)
    for seconds, moves in steps:
        now += seconds
        beat += moves
        still = 0.0 if moves else still + seconds
        found = observe(found, [row(beat=beat)], now, TIMEOUT)
        if still < TIMEOUT:
            assert health(found) is Health.LIVE
