# SPDX-License-Identifier: Apache-2.0
"""The mapping that nova's ironic driver knows as its ``node_cache``.

Nova's code reads it on many threads while others insert and remove, which
fails under native threads ("dictionary changed size during iteration"). Here
each change replaces the whole dictionary, so a reader goes on with the one
that it has.
"""

from __future__ import annotations

import threading
from collections.abc import (
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    MutableMapping,
    ValuesView,
)
from typing import Any

_ABSENT = object()


class NodeCache(MutableMapping[str, Any]):
    """Copy-on-write; readers take no lock. Owned by the driver."""

    def __init__(self) -> None:
        self._nodes: Mapping[str, Any] = {}
        self._writing = threading.Lock()

    def replace(self, nodes: Mapping[str, Any]) -> None:
        """Put a sweep's result in force."""
        with self._writing:
            self._nodes = nodes

    def __getitem__(self, node_id: str) -> Any:
        return self._nodes[node_id]

    def __setitem__(self, node_id: str, node: Any) -> None:
        with self._writing:
            self._nodes = {**self._nodes, node_id: node}

    def __delitem__(self, node_id: str) -> None:
        if self.pop(node_id, _ABSENT) is _ABSENT:
            raise KeyError(node_id)

    def pop(self, node_id: str, default: Any = None) -> Any:
        """Remove a node in one step, whoever else is removing it."""
        with self._writing:
            if node_id not in self._nodes:
                return default
            nodes = dict(self._nodes)
            node = nodes.pop(node_id)
            self._nodes = nodes
            return node

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def keys(self) -> KeysView[str]:
        """The ids of one moment."""
        return self._nodes.keys()

    def values(self) -> ValuesView[Any]:
        """The nodes of one moment."""
        return self._nodes.values()

    def items(self) -> ItemsView[str, Any]:
        """Ids and nodes of one moment."""
        return self._nodes.items()
