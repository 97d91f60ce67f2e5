# SPDX-License-Identifier: Apache-2.0
"""Nodes that look as if somebody worked on them, though nobody does.

Whoever begins work on a node writes, in one transaction, the reservation,
the state, and a lease of its incarnation. A node that shows one of them
without a lease of a registered conductor was left behind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.conductors import GONE
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.core.states import STATES, Kind
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.history import History
from baremetal_backend.storage.outbox import Outbox
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import CONDUCTORS, LEASES, NODES

_N = NODES.c
_L = LEASES.c
_C = CONDUCTORS.c

_BUSY = tuple(name for name, row in STATES.items() if row.kind is Kind.BUSY)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A node that was left behind, and by whom if that is known."""

    uuid: str
    driver: str
    conductor_group: str
    #: Host that has the node's lease or reservation.
    holder: str | None


@dataclass(frozen=True, slots=True)
class Repair:
    """What is written to a node that was left behind."""

    seen: Node
    #: Fields beside the reservation, which is always ended.
    changes: Mapping[str, Any]
    event: HistoryEvent


class Orphans:
    """Finds and repairs what was left behind."""

    def __init__(
        self, database: Database, history: History, outbox: Outbox
    ) -> None:
        self._database = database
        self._history = history
        self._outbox = outbox
        self._mapper = RowMapper(NODES, Node)
        self._find = (
            sa.select(
                _N.uuid,
                _N.driver,
                _N.conductor_group,
                sa.func.coalesce(_L.holder, _N.reservation),
            )
            .select_from(
                NODES.outerjoin(LEASES, _L.node_uuid == _N.uuid).outerjoin(
                    CONDUCTORS,
                    sa.and_(
                        _C.incarnation == _L.incarnation, _C.state != GONE
                    ),
                )
            )
            .where(
                _C.id.is_(None),
                sa.or_(
                    _L.node_uuid.is_not(None),
                    _N.reservation.is_not(None),
                    _N.provision_state.in_(_BUSY),
                    _N.target_power_state.is_not(None),
                ),
            )
            .order_by(_N.id)
        )

    def find(self) -> list[Orphan]:
        """All nodes that were left behind, by one query."""
        rows = self._database.read(lambda c: c.execute(self._find).all())
        return [Orphan(*row) for row in rows]

    def read(self, uuids: Sequence[str]) -> list[Node]:
        """The nodes as they are now, without those that vanished."""
        query = sa.select(*self._mapper.columns).where(_N.uuid.in_(uuids))
        rows = self._database.read(lambda c: c.execute(query).all())
        return [self._mapper.record(row) for row in rows]

    def repair(self, repairs: Sequence[Repair]) -> list[str]:
        """Write all of them in one transaction; return whom it reached.

        A node that was written or removed since it was seen is left alone.
        """
        return self._database.write(lambda c: self._repaired(c, repairs))

    def _repaired(
        self, connection: sa.Connection, repairs: Sequence[Repair]
    ) -> list[str]:
        wanted = {one.seen.uuid: one for one in repairs}
        query = (
            sa.select(*self._mapper.columns)
            .where(_N.uuid.in_(wanted))
            .order_by(_N.id)
            .with_for_update()
        )
        # Locked: what is judged here stays so until the commit.
        rows = connection.execute(query).all()
        nodes = {node.uuid: node for node in map(self._mapper.record, rows)}
        chosen = [
            wanted[uuid]
            for uuid, node in nodes.items()
            if node.version == wanted[uuid].seen.version
        ]
        if not chosen:
            return []
        self._write(connection, chosen)
        done = [one.seen.uuid for one in chosen]
        connection.execute(sa.delete(LEASES).where(_L.node_uuid.in_(done)))
        self._history.add_all(connection, [one.event for one in chosen])
        if self._outbox.is_on:
            for one in chosen:
                before = nodes[one.seen.uuid]
                after = dataclasses.replace(before, **_changes(one))
                self._outbox.add(connection, before, after, one.event)
        return done

    def _write(
        self, connection: sa.Connection, repairs: Sequence[Repair]
    ) -> None:
        """One statement for all that change the same columns."""
        alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for one in repairs:
            values = self._mapper.values(_changes(one))
            row = {**values, "of_uuid": one.seen.uuid}
            alike.setdefault(tuple(sorted(values)), []).append(row)
        # The columns to set are the other keys of the rows.
        update = sa.update(NODES).where(_N.uuid == sa.bindparam("of_uuid"))
        for rows in alike.values():
            connection.execute(update, rows)


def _changes(one: Repair) -> dict[str, Any]:
    """All that is written to the node."""
    moved = {}
    if "provision_state" in one.changes:
        moved["transition"] = one.seen.transition + 1
    return {
        **one.changes,
        **moved,
        "reservation": None,
        "version": one.seen.version + 1,
        "updated_at": one.event.created_at,
    }


__all__ = ["Orphan", "Orphans", "Repair"]
