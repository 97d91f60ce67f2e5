# SPDX-License-Identifier: Apache-2.0
"""What happened to each node, in order."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.errors import MarkerNotFound, ResourceNotFound
from baremetal_backend.core.records import HistoryEvent
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODE_HISTORY


class History:
    """Events of nodes. Written only together with the change they tell of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mapper = RowMapper(NODE_HISTORY, HistoryEvent)

    def add(self, connection: sa.Connection, event: HistoryEvent) -> None:
        """Record an event in the caller's transaction."""
        values: dict[str, Any] = {
            name: getattr(event, name) for name in self._mapper.fields
        }
        connection.execute(sa.insert(NODE_HISTORY), values)

    def page(
        self,
        node_uuid: str,
        limit: int | None = None,
        marker: str | None = None,
    ) -> list[HistoryEvent]:
        """The node's events, oldest first, after the event ``marker``."""
        query = (
            sa.select(*self._mapper.columns)
            .where(NODE_HISTORY.c.node_uuid == node_uuid)
            .order_by(NODE_HISTORY.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            if marker is not None:
                last = connection.scalar(
                    sa.select(NODE_HISTORY.c.id).where(
                        NODE_HISTORY.c.uuid == marker,
                        NODE_HISTORY.c.node_uuid == node_uuid,
                    )
                )
                if last is None:
                    raise MarkerNotFound(marker)
                query = query.where(NODE_HISTORY.c.id > last)
            rows = connection.execute(query).all()
        return [self._mapper.record(row) for row in rows]

    def get(self, node_uuid: str, uuid: str) -> HistoryEvent:
        """One event of the node. Errors: ResourceNotFound."""
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(*self._mapper.columns).where(
                    NODE_HISTORY.c.uuid == uuid,
                    NODE_HISTORY.c.node_uuid == node_uuid,
                )
            ).first()
        if row is None:
            raise ResourceNotFound("Node history record", uuid)
        return self._mapper.record(row)
