# SPDX-License-Identifier: Apache-2.0
"""The rule table: does this host report the node to Nova, and why (not)?

Nova's resource tracker moves a compute node row to whichever service reports
the node, so a report is a claim. The table keeps a free node from changing
hands more than once per change of members:

* what the ring no longer gives to this host is not reported any more, at
  once;
* what it newly gives is claimed at once when nobody lives who holds it and no
  peer is missing, otherwise when the members were unchanged for the settle
  time, in which a live holder sees the same members and lets go;
* what a live host took although the ring gives it to this host (its list of
  peers differs, or it was in the middle of a sweep) is not snatched back but
  contested with growing patience.

A host that announces its epoch need not be guessed at: what it announces it
has given away is claimed at once, and what it announces to keep is left to
it, however long.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping

from nova_ironic_partition.core.epoch import Epoch
from nova_ironic_partition.core.hearsay import Sighting
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import View

#: Settle times for which a node is left to the host that took it. Long,
#: since a peer with another list would answer each claim with its own.
PATIENCE = 10
#: Seconds after which a contested node is claimed again at the latest.
LONGEST_PATIENCE = 3600.0
#: So often a node is taken back as soon as the holder announces that it gave
#: the node away. A holder that takes it once more does not do what it says.
TRUSTED_ROUNDS = 2


class Rule(enum.Enum):
    """The first of these that matches decides."""

    INSTANCE_HERE = "instance here"
    INSTANCE_ELSEWHERE = "instance elsewhere"
    NO_MEMBER = "no member"
    RING_OTHER = "ring: other host"
    RING_HELD = "ring: held"
    UNSETTLED = "waiting: membership"
    RING_FREE = "ring: free"
    DISPUTED = "waiting: disputed"
    CONTESTED = "waiting: contested"
    HANDOVER = "waiting: handover"
    RING_GIVEN = "ring: given away"
    RING_TAKEN = "ring: taken over"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about one node, with its reason.

    :param mine: this host reports the node.
    :param owner: who should have it; ``None`` if the table cannot know.
    :param reason: a sentence that an operator can act on.
    """

    mine: bool
    owner: HostName | None
    rule: Rule
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Contest:
    """A node that a live host took while the ring gave it to this host.

    :param rounds: how often it happened without a change of members.
    :param until: monotonic seconds before which it is left alone.
    :param since: monotonic seconds when the last round was noticed.
    """

    rounds: int
    until: float
    since: float = 0.0

    @classmethod
    def next(
        cls, earlier: Contest | None, settle_time: float, now: float
    ) -> Contest:
        """One more round; the patience doubles each time."""
        rounds = earlier.rounds + 1 if earlier else 1
        patience = max(settle_time, 1.0) * PATIENCE * 2.0 ** min(rounds - 1, 9)
        return cls(rounds, now + min(patience, LONGEST_PATIENCE), now)


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What a sweep knows beside the nodes themselves.

    :param me: this host.
    :param instances: uuids of the instances whose host this is.
    :param known_rows: nodes whose rows this host held at its last run.
    :param holders: node -> host of its compute node row, for the others. A
        free node that is in neither has no row.
    :param live: hosts whose service is a member by the rules of
        :mod:`~nova_ironic_partition.core.membership`, configured or not.
    :param contests: node -> how often it was taken from us.
    :param settle_time: seconds.
    :param now: monotonic seconds.
    :param epoch: what this host believes.
    :param heard: the other hosts' announcements that are not stale.
    """

    me: HostName
    view: View
    instances: Collection[str]
    known_rows: frozenset[str]
    holders: Mapping[str, HostName]
    live: Collection[HostName]
    contests: Mapping[str, Contest]
    settle_time: float
    now: float
    epoch: Epoch
    heard: Mapping[HostName, Sighting] = dataclasses.field(
        default_factory=dict
    )


def ring_verdict(
    node_id: str,
    instance_id: str | None,
    view: View,
    me: HostName,
    instances: Collection[str],
) -> Verdict | None:
    """The part of the table that needs no compute node rows.

    :returns: ``None`` if the ring gives the free node to this host, so that
        its row decides; see :func:`claim_verdict`.
    """
    if instance_id is not None:
        if instance_id in instances:
            return Verdict(
                True,
                me,
                Rule.INSTANCE_HERE,
                f"instance {instance_id} belongs to {me}",
            )
        return Verdict(
            False,
            None,
            Rule.INSTANCE_ELSEWHERE,
            f"instance {instance_id} belongs to another host",
        )
    owner = view.ring.owner(node_id)
    if owner is None:
        return Verdict(
            False, None, Rule.NO_MEMBER, "no peer is up and enabled"
        )
    if owner != me:
        return Verdict(
            False, owner, Rule.RING_OTHER, f"the ring names {owner}"
        )
    return None


def claim_verdict(node_id: str, evidence: Evidence) -> Verdict:
    """Report a free node that the ring gives to this host, or wait?"""
    me, view, now = evidence.me, evidence.view, evidence.now
    holder = evidence.holders.get(node_id)
    if holder == me or node_id in evidence.known_rows:
        return Verdict(True, me, Rule.RING_HELD, f"the ring names {me}")
    if holder is None or holder not in evidence.live:
        return _unheld(holder, evidence)
    said = evidence.heard.get(holder)
    if said is not None and _speaks(holder, said, evidence):
        return _by_the_word(node_id, holder, said, evidence)
    contest = evidence.contests.get(node_id)
    if contest is not None and now < contest.until:
        return _contested(me, holder)
    if not view.aged(now, evidence.settle_time):
        return _handover(me, holder)
    return Verdict(
        True,
        me,
        Rule.RING_TAKEN,
        f"the ring names {me}, and {holder} had time to give it away",
    )


def _unheld(holder: HostName | None, evidence: Evidence) -> Verdict:
    """Nobody who lives has the row."""
    me = evidence.me
    gone = f"its holder {holder} is gone" if holder else "nobody holds it"
    if not evidence.view.settled(evidence.now, evidence.settle_time):
        return Verdict(
            False,
            me,
            Rule.UNSETTLED,
            f"the ring names {me} and {gone}, but peers are missing: "
            "waiting for the membership to settle",
        )
    return Verdict(True, me, Rule.RING_FREE, f"the ring names {me} and {gone}")


def _speaks(holder: HostName, said: Sighting, evidence: Evidence) -> bool:
    """Is this node spoken of, by a host that knows us and can still speak?

    A host announces in nodes that it reports. Who has given away the last of
    them is silent, and its old words stay in the rows.
    """
    if not said.epoch.lists(evidence.epoch):
        return False
    if not said.epoch.could_name(evidence.me):
        return False
    lately = said.heard_at >= evidence.view.since and not said.overdue(
        evidence.now, evidence.settle_time
    )
    return lately or any(
        evidence.epoch.owner(row) == holder for row in said.rows
    )


def _by_the_word(
    node_id: str, holder: HostName, said: Sighting, evidence: Evidence
) -> Verdict:
    """What a living holder announces decides, if it did so lately."""
    me, view = evidence.me, evidence.view
    heir = said.epoch.owner(node_id)
    settled = view.since + evidence.settle_time
    if heir == holder:
        if not said.renewed or said.heard_at < settled:
            return _handover(me, holder)
        return Verdict(
            False,
            me,
            Rule.DISPUTED,
            f"the ring names {me}, but the ring of {holder} names {holder}",
        )
    contest = evidence.contests.get(node_id)
    if contest is not None and (
        said.heard_at <= contest.since
        or (contest.rounds > TRUSTED_ROUNDS and evidence.now < contest.until)
    ):
        return _contested(me, holder)
    # Given away, but not to us: then our view may be the one that is odd.
    since = view.since if heir == me else settled
    if not said.renewed or said.heard_at < since:
        return _handover(me, holder)
    return Verdict(
        True,
        me,
        Rule.RING_GIVEN,
        f"the ring names {me}, and {holder} has given it away",
    )


def _contested(me: HostName, holder: HostName) -> Verdict:
    return Verdict(
        False,
        me,
        Rule.CONTESTED,
        f"the ring names {me}, but {holder} took it: does {holder} have "
        "another peer_list?",
    )


def _handover(me: HostName, holder: HostName) -> Verdict:
    return Verdict(
        False,
        me,
        Rule.HANDOVER,
        f"the ring names {me}: waiting for {holder} to give it away",
    )


def judge(
    node_id: str, instance_id: str | None, evidence: Evidence
) -> Verdict:
    """The whole table for one node."""
    return ring_verdict(
        node_id, instance_id, evidence.view, evidence.me, evidence.instances
    ) or claim_verdict(node_id, evidence)
