# SPDX-License-Identifier: Apache-2.0
"""Announcements that are written with the change they tell of.

A row is inserted in the transaction that changes the node, and removed when
the message is with the broker: no announcement of what was rolled back, none
lost when the process or the broker dies. The node's row is locked by its own
update until the commit, so that the rows of one node are numbered in the
order of its changes.

Rows belong to the conductor that wrote them. Only their owner publishes them,
and not before all earlier rows of the same node are gone; rows of a conductor
that is not registered any more are taken over whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.notices import Severity, notice
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.rows import encode_json
from baremetal_backend.storage.tables import CONDUCTORS, OUTBOX

_O = OUTBOX.c

_REGISTERED = ("active", "draining")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A row that waits for the broker."""

    id: int
    node_uuid: str
    event_type: str
    #: ``INFO``, ``ERROR``, ...
    severity: str
    payload: Mapping[str, Any]
    created_at: str


@dataclass(frozen=True, slots=True)
class Announcing:
    """What is announced, and in whose name."""

    #: Host whose conductor publishes what this process writes.
    host: str
    least: Severity = Severity.INFO


class Outbox:
    """The table of announcements. Without ``announcing`` it stays empty."""

    def __init__(
        self,
        database: Database,
        announcing: Announcing | None,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._announcing = announcing
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether changes of nodes have to be handed to ``add``."""
        return self._announcing is not None

    def add(
        self,
        connection: sa.Connection,
        before: Node | None,
        after: Node | None,
        event: HistoryEvent | None = None,
    ) -> None:
        """Record what is to be announced of a write, in its transaction."""
        announcing = self._announcing
        if announcing is None:
            return
        failed = event is not None and event.severity == "ERROR"
        found = notice(before, after, failed)
        if found is None or found.severity < announcing.least:
            return
        node = after or before
        assert node is not None  # noqa: S101 - or there were no notice
        connection.execute(
            sa.insert(OUTBOX),
            {
                "node_uuid": node.uuid,
                "conductor": announcing.host,
                "event_type": found.event_type,
                "severity": found.severity.name,
                "payload": encode_json(found.payload),
                "created_at": timestamp(self._clock()),
            },
        )

    def pending(self, limit: int = 100) -> list[Announcement]:
        """What this host may publish now, in order."""
        if self._announcing is None:
            return []
        earlier = OUTBOX.alias("earlier")
        query = (
            sa.select(
                _O.id,
                _O.node_uuid,
                _O.event_type,
                _O.severity,
                _O.payload,
                _O.created_at,
            )
            .where(
                _O.conductor == self._announcing.host,
                ~sa.exists().where(
                    earlier.c.node_uuid == _O.node_uuid,
                    earlier.c.id < _O.id,
                    earlier.c.conductor != self._announcing.host,
                ),
            )
            .order_by(_O.id)
            .limit(limit)
        )
        rows: Sequence[Any] = self._database.read(
            lambda connection: connection.execute(query).all()
        )
        return [
            Announcement(
                row.id,
                row.node_uuid,
                row.event_type,
                row.severity,
                json.loads(row.payload),
                row.created_at,
            )
            for row in rows
        ]

    def remove(self, one: Announcement) -> bool:
        """Forget what was published; False: it was not this host's any more.

        Asked again after a failure it may say False wrongly: then the caller
        only looks anew.
        """
        host = self._announcing.host if self._announcing else ""
        query = sa.delete(OUTBOX).where(_O.id == one.id, _O.conductor == host)
        return self._database.write(
            lambda connection: connection.execute(query).rowcount == 1,
            confirm=REPEATABLE,
        )

    def adopt(self) -> int:
        """Take over the rows of conductors that are not registered.

        This host's own rows need no registration. Returns their number.
        """
        if self._announcing is None:
            return 0
        host = self._announcing.host
        registered = sa.select(CONDUCTORS.c.host).where(
            CONDUCTORS.c.state.in_(_REGISTERED)
        )
        query = (
            sa.update(OUTBOX)
            .where(_O.conductor != host, _O.conductor.not_in(registered))
            .values(conductor=host)
        )
        return self._database.write(
            lambda connection: int(connection.execute(query).rowcount),
            confirm=REPEATABLE,
        )

    def waiting(self) -> tuple[int, str | None]:
        """How many rows of this host wait, and since when the oldest does."""
        host = self._announcing.host if self._announcing else ""
        query = sa.select(sa.func.count(), sa.func.min(_O.created_at)).where(
            _O.conductor == host
        )
        row = self._database.read(lambda c: c.execute(query).one())
        return int(row[0]), row[1]
