# SPDX-License-Identifier: Apache-2.0
"""What must be true of a partition, said independently of the plugin.

Pure: it is given what nova's database and the bare metal service say, and
names each sentence that is not true. The ring is tooz's, built here anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tooz.hashring import HashRing

RING_POINTS = 1024


@dataclass(frozen=True)
class Node:
    """A node as the bare metal service describes it."""

    id: str
    name: str
    group: str
    state: str
    instance: str | None


@dataclass(frozen=True)
class World:
    """All that the invariants look at, read at one time.

    :param rows: (node id, host) of each of nova's compute_nodes records
    :param server_hosts: node id -> host of the server on it
    """

    nodes: tuple[Node, ...]
    rows: tuple[tuple[str, str], ...]
    server_hosts: Mapping[str, str]

    def owners(self) -> dict[str, str]:
        """Node id -> host."""
        return dict(self.rows)

    def of_group(self, group: str) -> list[Node]:
        """The nodes of a conductor group."""
        return [node for node in self.nodes if node.group == group]


@dataclass(frozen=True)
class Expectation:
    """What the operator configured, as far as it decides who owns what.

    :param members: the peers that are up and enabled
    """

    group: str
    members: tuple[str, ...]
    points: int = RING_POINTS


def ring_owners(
    node_ids: Iterable[str],
    members: Collection[str],
    points: int = RING_POINTS,
) -> dict[str, str]:
    """Return the host (lower case) that a ring names for each node."""
    ring = HashRing(sorted(name.lower() for name in members), points)
    return {
        node_id: next(iter(ring.get_nodes(node_id.encode())))
        for node_id in node_ids
    }


def violations(world: World, expected: Expectation) -> list[str]:
    """Return a sentence for each thing that is not as it must be."""
    nodes = world.of_group(expected.group)
    ring = ring_owners(
        [node.id for node in nodes], expected.members, expected.points
    )
    owners = world.owners()
    found = []
    for node_id, count in Counter(id for id, _ in world.rows).items():
        if count > 1:
            found.append(f"node {node_id} has {count} records")
    for node in nodes:
        server_host = world.server_hosts.get(node.id)
        should = server_host or ring[node.id]
        why = "its server lives there" if server_host else "the ring says so"
        owner = owners.get(node.id)
        if owner is None:
            found.append(f"{node.name} has no owner")
        elif owner.lower() != should.lower():
            found.append(
                f"{node.name} is owned by {owner}, not by {should}"
                f" although {why}"
            )
    return found


@dataclass
class Moves:
    """How often each node changed from one owner to another.

    Mutable; belongs to whoever watches.
    """

    _last: dict[str, str] = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)

    def see(self, owners: Mapping[str, str]) -> None:
        """Take note of the present owners."""
        for node, owner in owners.items():
            if self._last.get(node, owner) != owner:
                self._count[node] += 1
            self._last[node] = owner

    def restart(self) -> None:
        """Begin to count anew, from the owners last seen."""
        self._count.clear()

    @property
    def nodes(self) -> int:
        """How many nodes have changed their owner."""
        return len(self._count)

    @property
    def most(self) -> int:
        """The moves of the node that moved most often."""
        return max(self._count.values(), default=0)
