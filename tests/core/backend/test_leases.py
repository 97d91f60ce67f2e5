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
    stalled,
)
from baremetal_backend.core.records import Lease

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
