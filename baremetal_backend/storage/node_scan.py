# SPDX-License-Identifier: Apache-2.0
"""One query for the nodes that a periodic task looks at.

All rows are fetched at once: no cursor stays open while the caller works.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.node_selection import Filters
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.tables import JSON_KEY, NODES

_C = NODES.c


class NodeScan:
    """Rows of nodes by driver, interface and filter."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Columns whose value in a row is JSON as text.
        self.json_fields = frozenset(
            c.name for c in _C if c.info.get(JSON_KEY)
        )

    def rows(
        self,
        columns: Sequence[str],
        filters: Filters,
        drivers: Collection[str] | None = None,
        interface: tuple[str, Collection[str]] | None = None,
    ) -> Sequence[Sequence[Any]]:
        """Values of ``columns`` in the order of creation.

        ``interface``: a type such as ``power`` and the names that count.
        Errors: KeyError (no such column), StorageUnavailable.
        """
        query = sa.select(*(_C[name] for name in columns)).order_by(_C.id)
        if drivers is not None:
            query = query.where(_C.driver.in_(drivers))
        if interface is not None:
            kind, names = interface
            query = query.where(_C[f"{kind}_interface"].in_(names))
        query = query.where(*conditions(filters))
        return self._database.read(
            lambda connection: connection.execute(query).all()
        )


def conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """The filters as SQL."""
    found: list[sa.ColumnElement[bool]] = [
        _C[column].in_(values) for column, values in filters.one_of
    ]
    for column, there in filters.present:
        found.append(
            _C[column].is_not(None) if there else _C[column].is_(None)
        )
    return found


__all__ = ["NodeScan"]
