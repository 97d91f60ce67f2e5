# SPDX-License-Identifier: Apache-2.0
"""The rule table, row by row."""

import pytest

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


def evidence(live=(C1, C2), *, since=0.0, complete=True, **changes):
    view = View.after(
        None,
        Membership(tuple(live), {}),
        points=32,
        complete=complete,
        now=since,
    )
    values = {
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
