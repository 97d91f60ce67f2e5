# SPDX-License-Identifier: Apache-2.0
"""How long a request waits for a node, and what takes a node away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.leases import (
    GiveUp,
    Patience,
    TakeAway,
    Wait,
    in_use,
    least_patience,
    stalled,
)
from baremetal_backend.core.records import Lease
from baremetal_backend.core.states import INSPECTWAIT, STATES

PATIENCE = Patience(attempts=3, interval=1.0, background_limit=15.0)


def lease(lane="provisioning", purpose="active"):
    return Lease(
        node_uuid="n",
        holder="one",
        incarnation="i",
        purpose=purpose,
        lane=lane,
        acquired_at="2026-01-31T12:00:00+00:00",
        expires_at="2026-01-31T12:01:00+00:00",
        token=7,
    )


def test_who_has_a_node_is_said_with_purpose_and_time():
    assert in_use(lease()) == (
        "used by one for active since 2026-01-31T12:00:00+00:00"
    )


@pytest.mark.parametrize("lane", ["provisioning", "operator"])
def test_a_request_tries_as_often_as_configured(lane):
    for used in range(3):
        assert PATIENCE.next_move(lease(lane), used, 0) == Wait(1.0, True)
    assert PATIENCE.next_move(lease(lane), 3, 0) == GiveUp()


def test_a_node_that_became_free_just_now_is_worth_one_more_attempt():
    assert PATIENCE.next_move(None, 3, 0) == Wait(1.0, True)
    assert PATIENCE.next_move(None, 4, 0) == GiveUp()


@given(used=st.integers(0, 100), watched=st.floats(0, 1000))
def test_background_work_never_makes_a_request_give_up(used, watched):
    move = PATIENCE.next_move(lease("background"), used, watched)
    if watched < 15:
        assert isinstance(move, Wait)
        assert not move.counted
        assert 0 < move.seconds <= min(1.0, 15 - watched)
    else:
        assert isinstance(move, TakeAway)
        assert move.lease.token == 7
        assert "for more than 15 s while a request waited" in move.reason


def test_a_wait_for_background_work_is_no_busy_loop():
    hasty = Patience(attempts=3, interval=0.0, background_limit=15.0)
    move = hasty.next_move(lease("background"), 0, 0)
    assert isinstance(move, Wait)
    assert move.seconds >= 0.05


def test_a_node_that_a_service_inspects_is_waited_for_longest():
    patient = {state for state in STATES if least_patience(state) > 0}
    assert patient == {INSPECTWAIT}
    assert least_patience(INSPECTWAIT) == 30.0


@pytest.mark.parametrize(
    ("has_it", "used", "owed", "move"),
    [
        ("operator", 0, 30.0, Wait(1.0, True)),
        ("operator", 2, 27.0, Wait(1.0, True)),
        ("operator", 3, 27.0, Wait(1.0, False)),
        ("provisioning", 3, 0.4, Wait(0.4, False)),
        ("provisioning", 3, 0.0, GiveUp()),
        ("provisioning", 3, -1.0, GiveUp()),
        # Attempts that take longer than what is owed are made all the same.
        ("operator", 1, -50.0, Wait(1.0, True)),
        # It is free: once more beside the attempts, and then on.
        (None, 3, 10.0, Wait(1.0, True)),
        (None, 4, 10.0, Wait(1.0, False)),
        (None, 4, 0.0, GiveUp()),
        # Background work is nobody's excuse to give up.
        ("background", 99, -1.0, Wait(1.0, False)),
    ],
)
def test_a_request_gets_the_time_that_is_owed_to_it(has_it, used, owed, move):
    found = lease(has_it) if has_it else None
    assert PATIENCE.next_move(found, used, 0, owed) == move


@given(
    attempts=st.integers(0, 5),
    interval=st.floats(0, 5),
    owed=st.floats(0.1, 60),
)
def test_a_request_waits_as_long_as_is_owed_and_without_hurry(
    attempts, interval, owed
):
    patience = Patience(attempts, interval, 15.0)
    waited, used, moves = 0.0, 0, 0
    while True:
        move = patience.next_move(lease(), used, waited, owed - waited)
        if isinstance(move, GiveUp):
            break
        assert isinstance(move, Wait)
        waited, used, moves = (
            waited + move.seconds, used + move.counted, moves + 1
        )  # fmt: skip
    assert waited >= owed
    assert waited <= max(owed, attempts * interval) + interval
    assert moves <= attempts + owed / max(interval, 0.05) + 2


@pytest.mark.parametrize("silence", [0, 9.99])
def test_work_that_gives_signs_of_life_is_left_alone(silence):
    assert stalled("n", "active", 7, silence, 10) is None


def test_work_that_gives_none_is_given_up_with_a_reason():
    found = stalled("n", "active", 7, 10.2, 10)
    assert found is not None
    assert found.token == 7
    assert found.reason == (
        "active gave no sign of life for 10 s "
        "([conductor]stalled_work_timeout)."
    )
