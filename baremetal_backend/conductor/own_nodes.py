# SPDX-License-Identifier: Apache-2.0
"""The nodes that this conductor looks after, by one query."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from baremetal_backend.conductor.periodic.collect import Users, users_of
from baremetal_backend.core.node_selection import Filters
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import Interface
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.drivers.periodics import ALWAYS_FETCHED
from baremetal_backend.storage.node_scan import NodeScan

#: Whether a node is this conductor's: (uuid, driver, conductor group).
Owns = Callable[[str, str, str], bool]


class OwnNodes:
    """Rows of nodes. Keeps nothing."""

    def __init__(self, scan: NodeScan, registry: Registry, owns: Owns) -> None:
        self._scan = scan
        self._registry = registry
        self.owns = owns

    def rows(
        self,
        interface: Interface | None,
        filters: Filters,
        fields: Sequence[str] = (),
    ) -> list[Any]:
        """Rows with attributes ``ALWAYS_FETCHED`` and ``fields``.

        ``interface``: only nodes that use this very implementation. Errors:
        StorageUnavailable.
        """
        if interface is None:
            drivers: set[str] = set(self._registry.types)
            return self._mine(self._columns(fields), filters, drivers, None)
        users = users_of(self._registry, interface)
        chosen = f"{interface.kind}_interface"
        found = self._mine(
            self._columns((chosen, *fields)),
            filters,
            {driver for driver, _ in users},
            (interface.kind, {name for _, name in users}),
        )
        return [
            row for row in found if (row.driver, getattr(row, chosen)) in users
        ]

    def is_mine(self, node: Node, interface: Interface, users: Users) -> bool:
        """Whether a node that was read again is still among the rows."""
        chosen = (node.driver, node.interface(interface.kind))
        return chosen in users and self.owns(
            node.uuid, node.driver, node.conductor_group
        )

    def _columns(self, fields: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*ALWAYS_FETCHED, *fields)))

    def _mine(
        self,
        columns: tuple[str, ...],
        filters: Filters,
        drivers: set[str],
        interface: tuple[str, set[str]] | None,
    ) -> list[Any]:
        make = _row_class(columns)._make
        owns = self.owns
        found = self._scan.rows(columns, filters, drivers, interface)
        # ALWAYS_FETCHED begins with uuid, driver and conductor group.
        mine: Sequence[Sequence[Any]] = [
            row for row in found if owns(row[0], row[1], row[2])
        ]
        for number, column in enumerate(columns):
            if column in self._scan.json_fields:
                mine = _with_decoded(mine, number)
        return list(map(make, mine))


@lru_cache(maxsize=128)
def _row_class(columns: tuple[str, ...]) -> Any:
    return namedtuple("NodeRow", columns)


def _with_decoded(
    rows: Sequence[Sequence[Any]], number: int
) -> list[tuple[Any, ...]]:
    """The rows with the JSON of one column read.

    All at once: that takes a third of the time of one by one.
    """
    values = json.loads(f"[{','.join(row[number] for row in rows)}]")
    return [
        (*row[:number], value, *row[number + 1 :])
        for row, value in zip(rows, values, strict=True)
    ]


__all__ = ["OwnNodes", "Owns"]
