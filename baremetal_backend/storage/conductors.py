# SPDX-License-Identifier: Apache-2.0
"""The table of conductors: who is registered, and whose beat is where.

Every write names the incarnation (and, where somebody judged a silence, the
beat) that it saw: who lost is told, and nothing was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from baremetal_backend.core.conductors import DRAINING, GONE
from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import CONDUCTORS, LEASES

_C = CONDUCTORS.c


@dataclass(frozen=True, slots=True)
class Beat:
    """What changes in a conductor's row while it runs."""

    host: str
    incarnation: str
    state: str
    beat: int
    renewed_at: str


class Conductors:
    """The table of conductors."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mapper = RowMapper(CONDUCTORS, ConductorRecord)
        self._all = sa.select(*self._mapper.columns).order_by(_C.host)
        self._beats = sa.select(
            _C.host, _C.incarnation, _C.state, _C.beat, _C.renewed_at
        )

    def all(self) -> list[ConductorRecord]:
        """All rows, by host."""
        rows = self._database.read(lambda c: c.execute(self._all).all())
        return [self._mapper.record(row) for row in rows]

    def beats(self) -> list[Beat]:
        """The short form of all rows, for those who look often."""
        rows = self._database.read(lambda c: c.execute(self._beats).all())
        return [Beat(*row) for row in rows]

    def register(
        self, record: ConductorRecord, replaces: ConductorRecord | None
    ) -> bool:
        """Add the row, or put it in the place of the one that was seen.

        False: another process was quicker; nothing was changed.
        """
        values: dict[str, Any] = self._mapper.values(
            {name: getattr(record, name) for name in self._mapper.fields}
        )

        def work(connection: sa.Connection) -> bool:
            if replaces is None:
                connection.execute(sa.insert(CONDUCTORS), values)
                return True
            update = sa.update(CONDUCTORS).where(*_seen(replaces))
            return connection.execute(update.values(**values)).rowcount == 1

        def registered(connection: sa.Connection, _result: bool) -> bool:
            holder = Holder(record.host, record.incarnation)
            query = sa.select(_C.id).where(*_mine(holder))
            return connection.scalar(query) is not None

        try:
            return self._database.write(work, confirm=registered)
        except db_exc.DBDuplicateEntry:
            return False

    def renew(
        self,
        holder: Holder,
        now: str,
        also: Callable[[sa.Connection], object] = lambda _connection: None,
    ) -> bool:
        """Count the beat up; ``also`` is done in the same transaction.

        False: the row is another's or gone; nothing was changed.
        """

        def work(connection: sa.Connection) -> bool:
            result = connection.execute(
                sa.update(CONDUCTORS)
                .where(*_mine(holder), _C.state != GONE)
                .values(beat=_C.beat + 1, renewed_at=now)
            )
            if result.rowcount != 1:
                return False
            also(connection)
            return True

        return self._database.write(work, confirm=REPEATABLE)

    def drain(self, holder: Holder) -> bool:
        """Say that this conductor takes nothing new."""
        return self._touched(
            sa.update(CONDUCTORS)
            .where(*_mine(holder), _C.state != GONE)
            .values(state=DRAINING, beat=_C.beat + 1)
        )

    def declare_gone(self, seen: ConductorRecord) -> bool:
        """End a conductor whose beat is still where it was seen.

        False: it moved, or somebody else was quicker.
        """
        return self._touched(
            sa.update(CONDUCTORS)
            .where(*_seen(seen), _C.state != GONE)
            .values(state=GONE)
        )

    def remove(self, holder: Holder) -> bool:
        """Take the row away: this process has ended its work, or is gone."""
        return self._touched(sa.delete(CONDUCTORS).where(*_mine(holder)))

    def forget_gone(self, before: str) -> int:
        """Remove rows that are gone since then and have no lease."""
        leases = sa.select(LEASES.c.incarnation)
        statement = sa.delete(CONDUCTORS).where(
            _C.state == GONE,
            _C.renewed_at < before,
            _C.incarnation.not_in(leases),
        )
        return self._database.write(
            lambda c: c.execute(statement).rowcount, confirm=REPEATABLE
        )

    def _touched(self, statement: sa.Update | sa.Delete) -> bool:
        return self._database.write(
            lambda c: c.execute(statement).rowcount == 1, confirm=REPEATABLE
        )


def _mine(holder: Holder) -> tuple[sa.ColumnElement[bool], ...]:
    return (_C.host == holder.host, _C.incarnation == holder.incarnation)


def _seen(record: ConductorRecord) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _C.host == record.host,
        _C.incarnation == record.incarnation,
        _C.beat == record.beat,
    )


__all__ = ["Beat", "Conductors"]
