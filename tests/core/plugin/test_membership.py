# SPDX-License-Identifier: Apache-2.0
"""Who is a member of the ring, and for how long."""

import pytest

from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import (
    Membership,
    ServiceRecord,
    View,
)

C1, C2, C3 = (HostName(name) for name in ("c1", "c2", "c3"))


def record(host, **state):
    return ServiceRecord(host, **{"up": True, **state})


@pytest.mark.parametrize(
    ("state", "absence"),
    [
        ({}, None),
        ({"up": False}, "down"),
        ({"disabled": True}, "disabled"),
        ({"forced_down": True}, "forced down"),
        ({"forced_down": True, "disabled": True, "up": False}, "forced down"),
        ({"disabled": True, "up": False}, "disabled"),
    ],
)
def test_a_member_is_up_enabled_and_not_forced_down(state, absence):
    assert record(C1, **state).absence == absence


def test_each_excluded_peer_has_its_reason():
    membership = Membership.of(
        [C3, C2, C1],
        {C1: record(C1), C2: record(C2, disabled=True)},
    )
    assert membership.live == (C1,)
    assert dict(membership.excluded) == {
        C2: "disabled",
        C3: "unknown to Nova",
    }
    assert str(membership) == "c1 (c3 is unknown to Nova; c2 is disabled)"


def test_a_peer_is_found_in_another_case():
    services = {HostName("C1"): record(HostName("C1"))}
    assert Membership.of([C1], services).live == (C1,)


def view(previous, live, now, *, complete=False, points=32):
    return View.after(
        previous,
        Membership(tuple(live), {}),
        points=points,
        complete=complete,
        now=now,
    )


def test_a_view_ages_while_its_members_stay():
    first = view(None, [C1, C2], 100.0)
    later = view(first, [C1, C2], 130.0)
    assert later.since == 100.0
    assert later.ring is first.ring
    assert later.aged(160.0, 60.0)
    assert not later.aged(159.0, 60.0)


@pytest.mark.parametrize("change", [{"live": [C1]}, {"points": 64}])
def test_other_members_or_points_make_a_new_view(change):
    first = view(None, [C1, C2], 100.0)
    later = view(first, now=130.0, **{"live": [C1, C2], **change})
    assert later.since == 130.0
    assert later.ring is not first.ring


def test_a_complete_view_is_settled_at_once():
    assert view(None, [C1], 0.0, complete=True).settled(0.0, 60.0)
    assert not view(None, [C1], 0.0).settled(59.0, 60.0)
    assert view(None, [C1], 0.0).settled(60.0, 60.0)
