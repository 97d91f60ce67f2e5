# SPDX-License-Identifier: Apache-2.0
"""Power states of very many nodes: read at once, written at once.

What is written names the version that was seen: a node that anybody wrote in
between is left alone. All of a batch is one transaction, with history and
notices as any other change has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from baremetal_backend.core.errors import NodeNotFound
from baremetal_backend.core.power_sync import COLUMNS, Row
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.nodes import Nodes
from baremetal_backend.storage.results import Changed
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES

_C = NODES.c

T = TypeVar("T")

# Uuids in one query, and nodes in one transaction.
_BATCH = 250


@dataclass(frozen=True, slots=True)
class PowerWrite:
    """What is written to a node that is still as it was seen."""

    seen: Row
    changes: Mapping[str, Any]
    event: HistoryEvent


class PowerRows:
    """Bulk access to nodes for whoever follows their power states."""

    def __init__(self, database: Database, nodes: Nodes) -> None:
        self._database = database
        self._nodes = nodes
        self._mapper = RowMapper(NODES, Node)
        self._rows = sa.select(*(_C[name] for name in COLUMNS))
        self._records = sa.select(
            *(
                sa.literal("{}").label(column.name)
                if column is _C.instance_info
                else column
                for column in self._mapper.columns
            )
        )

    def of_drivers(self, drivers: Iterable[str]) -> list[Row]:
        """All nodes of these hardware types. Errors: StorageUnavailable."""
        query = self._rows.where(_C.driver.in_(sorted(drivers)))
        return self._database.read(
            lambda c: list(map(Row._make, c.execute(query).all()))
        )

    def of_nodes(self, uuids: Sequence[str]) -> dict[str, Row]:
        """These nodes as they are now, without those that vanished."""

        def read(connection: sa.Connection) -> dict[str, Row]:
            return {
                row[0]: Row._make(row)
                for part in _batches(uuids)
                for row in connection.execute(
                    self._rows.where(_C.uuid.in_(part))
                ).all()
            }

        return self._database.read(read)

    def nodes(self, uuids: Sequence[str]) -> list[Node]:
        """The same as records; ``instance_info`` is left out.

        It may have a config drive of megabytes, and these are kept.
        """

        def read(connection: sa.Connection) -> list[Node]:
            return [
                self._mapper.record(row)
                for part in _batches(uuids)
                for row in connection.execute(
                    self._records.where(_C.uuid.in_(part))
                ).all()
            ]

        return self._database.read(read)

    def write(self, writes: Sequence[PowerWrite]) -> set[str]:
        """Write what may be written; uuids of the nodes that it reached."""
        done: set[str] = set()
        for part in _batches(writes):
            done |= self._database.write(
                partial(self._written, writes=part), confirm=REPEATABLE
            )
        return done

    def _written(
        self, connection: sa.Connection, writes: Sequence[PowerWrite]
    ) -> set[str]:
        # In one order: two who write the same nodes don't wait for each
        # other in a circle.
        ordered = sorted(writes, key=lambda one: one.seen.uuid)
        return {
            one.seen.uuid for one in ordered if self._reached(connection, one)
        }

    def _reached(self, connection: sa.Connection, one: PowerWrite) -> bool:
        try:
            result = self._nodes.change_in(
                connection,
                one.seen.uuid,
                one.changes,
                seen_version=one.seen.version,
                unreserved=True,
                event=one.event,
            )
        except NodeNotFound:
            return False
        return isinstance(result, Changed)


def _batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), _BATCH):
        yield things[start : start + _BATCH]


__all__ = ["PowerRows", "PowerWrite"]
