# SPDX-License-Identifier: Apache-2.0
"""Who should own which node: computed without any code of the plugin."""

from __future__ import annotations

from collections.abc import Iterable

from tooz import hashring

#: What the plugin's documentation promises as its default.
POINTS = 1024


def owners_by_ring(
    nodes: Iterable[str], hosts: Iterable[str], points: int = POINTS
) -> dict[str, str]:
    """Node -> the host that the ring of these hosts names."""
    ring = hashring.HashRing([h.lower() for h in hosts], partitions=points)
    owners = {}
    for node in nodes:
        (owners[node],) = ring.get_nodes(node.encode())
    return owners
