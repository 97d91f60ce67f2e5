# SPDX-License-Identifier: Apache-2.0
"""One sweep's complete answer, built once and never changed.

A sweep lists all nodes of the partition, judges each, and swaps the resulting
:class:`Snapshot` in by one assignment. Readers on any thread need no lock.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from nova_ironic_partition.core.epoch import Epoch
from nova_ironic_partition.core.identity import HostName, PartitionKey
from nova_ironic_partition.core.membership import View
from nova_ironic_partition.core.ownership import (
    Contest,
    Evidence,
    Rule,
    Verdict,
    claim_verdict,
    ring_verdict,
)


class NodeRecord(NamedTuple):
    """What nova's ironic driver reads of a node, under the SDK's names.

    ``FIELDS`` names the Bare Metal API's field for each attribute, in order.
    """

    id: str
    power_state: str | None
    target_power_state: str | None
    provision_state: str | None
    target_provision_state: str | None
    last_error: str | None
    is_maintenance: bool
    properties: dict[str, Any]
    instance_id: str | None
    traits: list[str]
    resource_class: str | None


#: The Bare Metal API's names of :class:`NodeRecord`'s attributes.
FIELDS = (
    "uuid",
    "power_state",
    "target_power_state",
    "provision_state",
    "target_provision_state",
    "last_error",
    "maintenance",
    "properties",
    "instance_uuid",
    "traits",
    "resource_class",
)


class Scope(NamedTuple):
    """Which nodes a listing asked for."""

    key: PartitionKey | None
    shard: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """The nodes that this host reports, and what it took to find them.

    :param epoch: what all else follows from.
    :param listed: ids of all nodes of the scope.
    :param nodes: the reported ones by id.
    :param claimed: the reported ones that the ring gave (no instance).
    :param held: those of them whose row was this host's before.
    :param waiting: nodes that the ring gives to this host and that are not
        reported yet, with the reason.
    :param rules: how often each rule decided.
    :param taken_at: monotonic seconds.
    """

    scope: Scope
    view: View
    epoch: Epoch
    listed: frozenset[str]
    nodes: Mapping[str, NodeRecord]
    claimed: frozenset[str]
    held: frozenset[str]
    waiting: Mapping[str, Verdict]
    contests: Mapping[str, Contest]
    rules: Mapping[Rule, int]
    taken_at: float

    def summary(self) -> str:
        """One line for the log."""
        waits = Counter(v.rule.value for v in self.waiting.values())
        text = (
            f"{len(self.nodes)} of {len(self.listed)} nodes reported "
            f"({len(self.nodes) - len(self.claimed)} with instances)"
        )
        for reason, count in sorted(waits.items()):
            text += f", {count} {reason}"
        return text


class Shortlist(NamedTuple):
    """Nodes sorted by the rules that need no compute node rows.

    :param instances: to be reported since their instance is here.
    :param candidates: free nodes that the ring gives to this host.
    """

    instances: dict[str, NodeRecord]
    candidates: dict[str, NodeRecord]
    rules: Counter[Rule]


def shortlist(
    nodes: Iterable[NodeRecord],
    view: View,
    me: HostName,
    instances: Collection[str],
) -> Shortlist:
    """Split a listing before rows are looked up for the few that need it."""
    result = Shortlist({}, {}, Counter())
    for node in nodes:
        verdict = ring_verdict(node.id, node.instance_id, view, me, instances)
        if verdict is None:
            result.candidates[node.id] = node
            continue
        result.rules[verdict.rule] += 1
        if verdict.mine:
            result.instances[node.id] = node
    return result


def with_contests(previous: Snapshot | None, evidence: Evidence) -> Evidence:
    """Add which nodes that we had reported a live host took from us.

    A change of members starts afresh: then the other host may be right.
    """
    if previous is None or previous.view.since != evidence.view.since:
        return evidence
    found = dict(previous.contests)
    for node_id in previous.claimed:
        holder = evidence.holders.get(node_id)
        if holder not in (None, evidence.me) and holder in evidence.live:
            found[node_id] = Contest.next(
                found.get(node_id), evidence.settle_time, evidence.now
            )
    return dataclasses.replace(evidence, contests=found)


def take(
    scope: Scope,
    listed: Collection[str],
    found: Shortlist,
    evidence: Evidence,
) -> Snapshot:
    """Judge the candidates and freeze the result."""
    nodes = dict(found.instances)
    claimed = []
    waiting = {}
    rules = Counter(found.rules)
    for node_id, node in found.candidates.items():
        verdict = claim_verdict(node_id, evidence)
        rules[verdict.rule] += 1
        if verdict.mine:
            nodes[node_id] = node
            claimed.append(node_id)
        else:
            waiting[node_id] = verdict
    return Snapshot(
        scope=scope,
        view=evidence.view,
        epoch=evidence.epoch,
        listed=frozenset(listed),
        nodes=nodes,
        claimed=frozenset(claimed),
        held=evidence.known_rows.intersection(claimed),
        waiting=waiting,
        contests=evidence.contests,
        rules=rules,
        taken_at=evidence.now,
    )


class ShrinkGuard:
    """Doubt a listing that lost many nodes at once, until it is confirmed.

    No fleet halves between two sweeps, but a database that is being restored
    answers with fewer nodes and without an error (launchpad bugs 1744139 and
    1750450 deleted everything). Owned by the driver's sweep, which is
    serialized.

    :param percent: losses above this share are held once; 100 turns the
        guard off.
    """

    #: Smaller partitions lose half of their nodes in an ordinary change.
    FEWEST = 10

    def __init__(self) -> None:
        self._doubted: tuple[Scope, frozenset[str]] | None = None

    def doubts(
        self,
        previous: Snapshot | None,
        scope: Scope,
        listed: frozenset[str],
        percent: int,
    ) -> str | None:
        """Why the previous snapshot should stay for now, or ``None``.

        The next listing of the same scope is accepted if it misses the same
        nodes or fewer.
        """
        doubted, self._doubted = self._doubted, None
        if previous is None or previous.scope != scope:
            return None
        if len(previous.listed) < self.FEWEST:
            return None
        gone = previous.listed - listed
        if len(gone) * 100 <= percent * len(previous.listed):
            return None
        if doubted is not None and doubted[0] == scope and gone <= doubted[1]:
            return None
        self._doubted = (scope, gone)
        return (
            f"{len(gone)} of {len(previous.listed)} nodes vanished from the "
            "Bare Metal API since the last sweep"
        )
