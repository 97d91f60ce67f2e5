# SPDX-License-Identifier: Apache-2.0
"""Alive is whose heartbeat changes while we look; clocks do not matter."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_ironic_partition.core.heartbeats import FAR_APART, Heartbeats
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import ServiceRecord

C1 = HostName("c1")
DOWN_TIME = 60.0


def judged(looks, **state):
    """Look at c1 at each of these times; ``up`` after each look.

    :param looks: (seconds, heartbeat, nova's judgement).
    """
    beats = Heartbeats()
    found = []
    for now, heartbeat, up in looks:
        records = {C1: ServiceRecord(C1, up, heartbeat=heartbeat, **state)}
        beats = beats.seen(records, now)
        found.append(beats.judge(records, DOWN_TIME, now)[C1].up)
    return found


@pytest.mark.parametrize("up", [True, False])
def test_nova_judges_until_a_change_was_seen(up):
    assert judged([(0, "1", up), (30, "1", up), (300, "1", up)]) == [up] * 3


@pytest.mark.parametrize("nova", [True, False])
def test_whose_heartbeat_changes_lives_whatever_nova_says(nova):
    looks = [(60 * n, str(n), nova) for n in range(5)]
    assert judged(looks) == [nova, True, True, True, True]


def test_whose_heartbeat_stays_is_silent_after_the_down_time():
    looks = [(0, "1", True), (10, "2", True)]
    looks += [(now, "2", True) for now in (20, 69.9, 70, 500)]
    assert judged(looks)[2:] == [True, True, False, False]


def test_nova_and_our_own_eyes_together_need_half_the_time():
    looks = [(0, "1", True), (10, "2", False)]
    looks += [(now, "2", False) for now in (20, 39.9, 40)]
    assert judged(looks)[1:] == [True, True, True, False]


def test_a_silent_service_lives_again_with_its_next_heartbeat():
    looks = [(0, "1", True), (10, "2", True), (100, "2", True)]
    assert judged([*looks, (101, "3", False)])[2:] == [False, True]


@given(
    st.lists(
        st.tuples(st.floats(FAR_APART * DOWN_TIME + 1, 7200), st.booleans()),
        min_size=1,
        max_size=9,
    )
)
def test_between_looks_that_are_far_apart_nova_judges(steps):
    """A change says that it lived at some time since, not that it lives."""
    pauses, novas = zip(*steps, strict=True)
    times = itertools.accumulate(pauses)
    looks = [
        (now, str(n), up)
        for n, (now, up) in enumerate(zip(times, novas, strict=True))
    ]
    assert judged(looks) == list(novas)


def test_who_died_between_looks_that_are_far_apart_stays_dead():
    looks = [(0, "1", True), (600, "61", True), (1200, "62", False)]
    looks += [(now, "62", False) for now in (1201, 1210, 1231, 1800)]
    assert judged(looks) == [True, True] + [False] * 5


def test_after_a_long_pause_the_next_change_is_believed_again():
    looks = [(0, "1", False), (10, "2", False), (600, "61", False)]
    looks += [(605, "61", False), (610, "62", False)]
    assert judged(looks) == [False, True, False, False, True]


def test_whose_heartbeat_stays_is_silent_however_far_apart_the_looks():
    looks = [(600 * n, heartbeat, True) for n, heartbeat in enumerate("1222")]
    assert judged(looks) == [True, True, False, False]


@pytest.mark.parametrize("late", [0.1, 5, 29])
def test_a_look_that_is_a_little_late_is_not_far_apart(late):
    """Looks come once in a down time, with the defaults of Nova."""
    looks = [((DOWN_TIME + late) * n, str(n), False) for n in range(4)]
    assert judged(looks)[1:] == [True, True, True]


def test_a_heartbeat_that_goes_back_is_a_sign_of_life():
    """The database was restored, or the clock was set back."""
    assert judged([(0, "7", True), (60, "8", True), (120, "5", False)])[2]


def test_a_record_without_a_heartbeat_is_left_to_nova():
    assert judged([(0, "1", True), (9, "2", True), (99, None, True)])[2]


def test_what_an_operator_declared_is_kept():
    record = ServiceRecord(C1, True, forced_down=True, heartbeat="1")
    beats = Heartbeats().seen({C1: record}, 0.0)
    again = ServiceRecord(C1, True, forced_down=True, heartbeat="2")
    beats = beats.seen({C1: again}, 10.0)
    assert beats.judge({C1: again}, 60.0, 10.0)[C1].absence == "forced down"


def test_a_look_at_some_forgets_nothing_of_the_others():
    other = HostName("c2")
    beats = Heartbeats().seen({C1: ServiceRecord(C1, True, heartbeat="1")}, 0)
    beats = beats.seen({C1: ServiceRecord(C1, True, heartbeat="2")}, 1.0)
    beats = beats.seen(
        {other: ServiceRecord(other, True, heartbeat="9")}, 50.0
    )
    late = {C1: ServiceRecord(C1, True, heartbeat="2")}
    assert not beats.seen(late, 61.0).judge(late, 60.0, 61.0)[C1].up


@given(
    st.lists(st.floats(0.1, 50.0), min_size=2, max_size=20),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_no_judgement_of_nova_kills_who_beats_every_ten_seconds(pauses, novas):
    now, looks = 0.0, []
    for pause, up in zip(pauses, novas, strict=False):
        now += pause
        looks.append((now, str(int(now // 10)), up))
    ups = judged(looks)
    changed = [a[1] != b[1] for a, b in itertools.pairwise(looks)]
    if True in changed:
        first = changed.index(True) + 1
        assert all(ups[first:])
