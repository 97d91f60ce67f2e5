# SPDX-License-Identifier: Apache-2.0
"""What happened to each node, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.errors import MarkerNotFound, ResourceNotFound
from baremetal_backend.core.records import HistoryEvent
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODE_HISTORY

_H = NODE_HISTORY.c

# Seconds.
_DAY = 86400


class History:
    """Events of nodes. Written only together with the change they tell of."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._clock = clock
        self._mapper = RowMapper(NODE_HISTORY, HistoryEvent)

    def add(self, connection: sa.Connection, event: HistoryEvent) -> None:
        """Record an event in the caller's transaction."""
        self.add_all(connection, [event])

    def add_all(
        self, connection: sa.Connection, events: Sequence[HistoryEvent]
    ) -> None:
        """Record events in the caller's transaction, in this order."""
        rows = [
            self._mapper.values(
                {name: getattr(event, name) for name in self._mapper.fields}
            )
            for event in events
        ]
        connection.execute(sa.insert(NODE_HISTORY), rows)

    def has(self, connection: sa.Connection, uuid: str) -> bool:
        """Whether the event was recorded, and with it its change."""
        query = sa.select(_H.id).where(_H.uuid == uuid)
        return connection.execute(query).first() is not None

    def page(
        self,
        node_uuid: str,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[HistoryEvent]:
        """The node's events, oldest first, after the event ``marker``."""
        query = (
            sa.select(*self._mapper.columns)
            .where(_H.node_uuid == node_uuid)
            .order_by(_H.id)
            .limit(limit)
        )

        def rows(connection: sa.Connection) -> Sequence[Any]:
            wanted = query
            if marker is not None:
                last = connection.scalar(
                    sa.select(_H.id).where(
                        _H.uuid == marker, _H.node_uuid == node_uuid
                    )
                )
                if last is None:
                    raise MarkerNotFound(marker)
                wanted = query.where(_H.id > last)
            return connection.execute(wanted).all()

        return [self._mapper.record(row) for row in self._database.read(rows)]

    def get(self, node_uuid: str, uuid: str) -> HistoryEvent:
        """One event of the node. Errors: ResourceNotFound."""
        query = sa.select(*self._mapper.columns).where(
            _H.uuid == uuid, _H.node_uuid == node_uuid
        )
        row = self._database.read(lambda c: c.execute(query).first())
        if row is None:
            raise ResourceNotFound("Node history record", uuid)
        return self._mapper.record(row)

    def trim(
        self, max_entries: int, minimum_days: int = 0, batch: int = 1000
    ) -> int:
        """Remove what is beyond the newest ``max_entries`` of each node.

        Events of the last ``minimum_days`` stay. One transaction removes
        ``batch`` events at most, so that it holds up nobody. Returns how
        many were removed. Errors: StorageUnavailable.
        """
        if max_entries < 1 or batch < 1:
            raise ValueError("keep at least one event, remove at least one")
        old = timestamp(self._clock() - minimum_days * _DAY)
        crowded = (
            sa.select(_H.node_uuid)
            .group_by(_H.node_uuid)
            .having(sa.func.count() > max_entries)
        )
        nodes = self._database.read(lambda c: c.scalars(crowded).all())
        removed = 0
        for node in nodes:
            while True:
                gone = self._trim_node(node, max_entries, old, batch)
                removed += gone
                if gone < batch:
                    break
        return removed

    def _trim_node(self, node: str, keep: int, old: str, batch: int) -> int:
        newest_to_go = (
            sa.select(_H.id)
            .where(_H.node_uuid == node)
            .order_by(_H.id.desc())
            .offset(keep)
            .limit(1)
        )

        def work(connection: sa.Connection) -> int:
            last = connection.scalar(newest_to_go)
            if last is None:
                return 0
            found = connection.scalars(
                sa.select(_H.id)
                .where(_H.node_uuid == node, _H.id <= last)
                .where(sa.or_(_H.created_at <= old, _H.created_at.is_(None)))
                .order_by(_H.id)
                .limit(batch)
            ).all()
            if found:
                connection.execute(
                    sa.delete(NODE_HISTORY).where(_H.id.in_(found))
                )
            return len(found)

        return self._database.write(work, confirm=REPEATABLE)
