# SPDX-License-Identifier: Apache-2.0
"""The rule table, row by row."""

import dataclasses

import pytest

from nova_ironic_partition.core.epoch import Announcement, Epoch
from nova_ironic_partition.core.hearsay import Sighting
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import Membership, View
from nova_ironic_partition.core.ownership import (
    LONGEST_PATIENCE,
    Contest,
    Evidence,
    Rule,
    judge,
)

C1, C2, C3 = (HostName(name) for name in ("c1", "c2", "c3"))
GONE = HostName("gone")
NODE = "6f2b3e0e-3f3b-4f57-9a5c-6a1f0e7c9f10"


def epoch(live, *, key="a", points=32, **changes):
    hosts = tuple(host.key for host in live)
    found = Epoch(key, None, hosts, hosts, points)
    return dataclasses.replace(found, **changes)


def evidence(live=(C1, C2), *, since=0.0, complete=True, **changes):
    view = View.after(
        None,
        Membership(tuple(live), {}),
        points=32,
        complete=complete,
        now=since,
    )
    values = {
        "epoch": epoch(live),
        "me": view.ring.owner(NODE) or C1,
        "view": view,
        "instances": frozenset({"i-mine"}),
        "known_rows": frozenset(),
        "holders": {},
        "live": {C1, C2, C3},
        "contests": {},
        "settle_time": 60.0,
        "now": 1000.0,
    }
    return Evidence(**{**values, **changes})


ME = evidence().me
OTHER = C2 if ME == C1 else C1


@pytest.mark.parametrize(
    ("instance", "changes", "mine", "rule"),
    [
        ("i-mine", {}, True, Rule.INSTANCE_HERE),
        # An instance decides before the ring and before any row.
        ("i-mine", {"me": OTHER}, True, Rule.INSTANCE_HERE),
        ("i-mine", {"live": ()}, True, Rule.INSTANCE_HERE),
        ("i-other", {}, False, Rule.INSTANCE_ELSEWHERE),
        ("i-other", {"holders": {NODE: ME}}, False, Rule.INSTANCE_ELSEWHERE),
        (None, {"me": OTHER}, False, Rule.RING_OTHER),
        # What the ring gives away is given away, whoever holds the row.
        (
            None,
            {"me": OTHER, "holders": {NODE: OTHER}},
            False,
            Rule.RING_OTHER,
        ),
        (None, {"holders": {NODE: ME}}, True, Rule.RING_HELD),
        (None, {"known_rows": frozenset({NODE})}, True, Rule.RING_HELD),
        (None, {}, True, Rule.RING_FREE),
        (None, {"holders": {NODE: GONE}}, True, Rule.RING_FREE),
        (None, {"holders": {NODE: C3}}, True, Rule.RING_TAKEN),
        (None, {"holders": {NODE: C3}, "now": 59.0}, False, Rule.HANDOVER),
        (None, {"holders": {NODE: C3}, "now": 60.0}, True, Rule.RING_TAKEN),
        (
            None,
            {"holders": {NODE: C3}, "contests": {NODE: Contest(1, 1001.0)}},
            False,
            Rule.CONTESTED,
        ),
        (
            None,
            {"holders": {NODE: C3}, "contests": {NODE: Contest(1, 1000.0)}},
            True,
            Rule.RING_TAKEN,
        ),
    ],
)
def test_the_first_rule_that_matches_decides(instance, changes, mine, rule):
    verdict = judge(NODE, instance, evidence(**changes))
    assert (verdict.mine, verdict.rule) == (mine, rule)
    assert verdict.reason


@pytest.mark.parametrize(
    ("holders", "now", "mine", "rule"),
    [
        ({}, 59.0, False, Rule.UNSETTLED),
        ({}, 60.0, True, Rule.RING_FREE),
        ({NODE: GONE}, 59.0, False, Rule.UNSETTLED),
        ({NODE: GONE}, 60.0, True, Rule.RING_FREE),
        ({NODE: ME}, 0.0, True, Rule.RING_HELD),
    ],
)
def test_a_missing_peer_makes_new_claims_wait(holders, now, mine, rule):
    verdict = judge(
        NODE, None, evidence(complete=False, holders=holders, now=now)
    )
    assert (verdict.mine, verdict.rule) == (mine, rule)


def test_without_members_nobody_owns_a_free_node():
    verdict = judge(NODE, None, evidence(live=[], me=C1))
    assert (verdict.mine, verdict.rule) == (False, Rule.NO_MEMBER)
    assert verdict.owner is None


def test_a_contested_nodes_reason_asks_for_the_other_peer_list():
    verdict = judge(
        NODE,
        None,
        evidence(holders={NODE: C3}, contests={NODE: Contest(1, 2000.0)}),
    )
    assert "does c3 have another peer_list?" in verdict.reason


def test_the_patience_doubles_up_to_its_limit():
    contest = None
    waits = []
    for _ in range(10):
        contest = Contest.next(contest, settle_time=60.0, now=0.0)
        waits.append(contest.until)
    assert waits[:3] == [600.0, 1200.0, 2400.0]
    assert waits[-1] == LONGEST_PATIENCE


def test_contests_are_patient_even_without_a_settle_time():
    assert Contest.next(None, settle_time=0.0, now=10.0).until == 20.0


def row_of(host):
    """A node that the ring of C1 and C2 gives to this host."""
    ring = evidence().view.ring
    return next(n for n in map(str, range(99)) if ring.owner(n) == host)


def said(host, live, *, heard_at=1000.0, renewed=True, row=None, **changes):
    """What a host announces that counts these members."""
    row = row or (row_of(host) if host in (C1, C2) else "row")
    return {
        host: Sighting(
            Announcement(host, 7, epoch(live, **changes)),
            frozenset({row}),
            heard_at,
            renewed,
            0.0,
        )
    }


#: With these members the ring names another host than with C1 and C2.
KEEPS = (OTHER,)
GIVES = (C1, C2)


@pytest.mark.parametrize(
    ("heard", "changes", "mine", "rule"),
    [
        # Given away in a turn that is as young as our view.
        (said(OTHER, GIVES), {"since": 1000.0}, True, Rule.RING_GIVEN),
        (said(OTHER, GIVES), {"since": 1001.0}, False, Rule.HANDOVER),
        # The first turn that is seen of a host may be from a former life.
        (
            said(OTHER, GIVES, renewed=False),
            {"since": 1000.0},
            False,
            Rule.HANDOVER,
        ),
        # Who gives it to a third host sees others than we do: no haste.
        (said(OTHER, (C3,)), {"since": 941.0}, False, Rule.HANDOVER),
        (said(OTHER, (C3,)), {"since": 940.0}, True, Rule.RING_GIVEN),
        (said(OTHER, ()), {"since": 1000.0}, False, Rule.HANDOVER),
        # However long a host keeps a node, it is left there.
        (said(OTHER, KEEPS), {"since": 970.0}, False, Rule.HANDOVER),
        (said(OTHER, KEEPS), {"since": 940.0}, False, Rule.DISPUTED),
        (said(OTHER, KEEPS), {}, False, Rule.DISPUTED),
        # Who announces another partition does not speak of this node.
        (said(OTHER, KEEPS, key="b"), {}, True, Rule.RING_TAKEN),
        (said(OTHER, KEEPS, key=None), {}, False, Rule.DISPUTED),
        # Without a list of peers nobody knows a host that has no node yet.
        (said(OTHER, KEEPS, peers=None), {}, True, Rule.RING_TAKEN),
        (
            said(OTHER, KEEPS, peers=None),
            {"since": 970.0},
            False,
            Rule.HANDOVER,
        ),
        # Its last nodes were given away: it has no row to say so in.
        (
            said(OTHER, KEEPS, row=NODE),
            {"since": 1001.0},
            False,
            Rule.HANDOVER,
        ),
        (
            said(OTHER, KEEPS, row=NODE, heard_at=939.0),
            {"since": 940.0},
            True,
            Rule.RING_TAKEN,
        ),
        (
            said(OTHER, KEEPS, row=NODE, heard_at=910.0),
            {"since": 900.0},
            True,
            Rule.RING_TAKEN,
        ),
        (
            said(OTHER, KEEPS, row=NODE, heard_at=911.0),
            {"since": 900.0},
            False,
            Rule.HANDOVER,
        ),
        (
            said(OTHER, KEEPS, heard_at=939.0),
            {"since": 940.0},
            False,
            Rule.HANDOVER,
        ),
        # Another host's word says nothing of this holder.
        (said(C3, KEEPS), {}, True, Rule.RING_TAKEN),
        (said(C3, GIVES), {"since": 990.0}, False, Rule.HANDOVER),
    ],
)
def test_a_holder_that_announces_is_taken_by_its_word(
    heard, changes, mine, rule
):
    verdict = judge(
        NODE, None, evidence(holders={NODE: OTHER}, heard=heard, **changes)
    )
    assert (verdict.mine, verdict.rule) == (mine, rule)


@pytest.mark.parametrize(
    ("contest", "mine", "rule"),
    [
        (Contest(1, 2000.0, 999.0), True, Rule.RING_GIVEN),
        (Contest(2, 2000.0, 999.0), True, Rule.RING_GIVEN),
        # The word is not younger than the loss.
        (Contest(1, 2000.0, 1000.0), False, Rule.CONTESTED),
        # It did not keep its word twice.
        (Contest(3, 2000.0, 999.0), False, Rule.CONTESTED),
        (Contest(3, 1000.0, 999.0), True, Rule.RING_GIVEN),
    ],
)
def test_a_contest_ends_when_the_holder_gives_the_node_away(
    contest, mine, rule
):
    verdict = judge(
        NODE,
        None,
        evidence(
            holders={NODE: OTHER},
            heard=said(OTHER, GIVES),
            contests={NODE: contest},
        ),
    )
    assert (verdict.mine, verdict.rule) == (mine, rule)


def test_the_word_of_a_dead_host_counts_for_nothing():
    found = evidence(holders={NODE: OTHER}, heard=said(OTHER, KEEPS))
    verdict = judge(NODE, None, dataclasses.replace(found, live={ME}))
    assert (verdict.mine, verdict.rule) == (True, Rule.RING_FREE)
