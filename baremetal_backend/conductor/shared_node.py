# SPDX-License-Identifier: Apache-2.0
"""A node that is looked at without taking it.

Polls read a snapshot, do their I/O, and write what they found if the node is
still as it was. They keep nobody waiting, and nobody keeps them waiting: a
result that comes too late is dropped.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.core.errors import NodeChanged
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.loader import Driver
from baremetal_backend.storage import Changed, Lost


class SharedNode:
    """A snapshot and a compare-and-swap. Owned by one thread."""

    def __init__(self, around: Surroundings, node: Node) -> None:
        self._around = around
        self._node = node

    @property
    def node(self) -> Node:
        """The node as it was read, or as of the last write."""
        return self._node

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        return self._around.registry.driver(self._node)

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._around.now

    def offer(self, **changes: Any) -> Changed[Node] | Lost[Node]:
        """Write fields if nobody wrote the node, and no operation has it.

        Errors: NodeNotFound.
        """
        result = self._around.storage.nodes.change(
            self._node.uuid,
            changes,
            seen_version=self._node.version,
            unreserved=True,
        )
        if isinstance(result, Changed):
            self._node = result.record
        return result

    def save(self, **changes: Any) -> Node:
        """``offer`` for work that goes on only if it won.

        Errors: NodeChanged, NodeNotFound.
        """
        result = self.offer(**changes)
        if isinstance(result, Lost):
            raise NodeChanged(f"Node {self._node.uuid}")
        return result.record
