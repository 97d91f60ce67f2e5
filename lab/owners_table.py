# SPDX-License-Identifier: Apache-2.0
"""The table of owners: who serves how many nodes of which group. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab import table
from lab.invariants import World


@dataclass(frozen=True)
class HostLine:
    """What the table says of a host beside its nodes."""

    host: str
    state: str
    peers: tuple[str, ...]
    group: str


def render(
    world: World, hosts: Sequence[HostLine], groups: Sequence[str]
) -> str:
    """Return the table of a moment.

    A record of a node that has left its owner's group is not counted for
    the owner: nobody reports that node.
    """
    group_of = {node.id: node.group for node in world.nodes}
    serves = {line.host: line.group for line in hosts}
    owner_of = {
        node_id: owner
        for node_id, owner in world.rows
        if node_id in world.server_hosts
        or serves.get(owner) == group_of.get(node_id)
    }
    owned = Counter(
        (owner, group_of.get(node_id)) for node_id, owner in owner_of.items()
    )
    unowned = Counter(
        node.group for node in world.nodes if node.id not in owner_of
    )
    servers = Counter(world.server_hosts.values())
    rows: list[Sequence[table.Cell]] = [
        [
            line.host,
            line.state,
            ",".join(line.peers),
            *(owned[line.host, group] for group in groups),
            servers[line.host],
        ]
        for line in hosts
    ]
    rows.append(["nobody", "", "", *(unowned[g] for g in groups), 0])
    headers = ["host", "service", "peer_list", *groups, "servers"]
    return table.render(headers, rows)
