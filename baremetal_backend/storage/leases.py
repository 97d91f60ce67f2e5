# SPDX-License-Identifier: Apache-2.0
"""Leases in the database: who has a node exclusively.

A lease is a row here, and the node's ``reservation`` and ``lease_token``. The
node's row is what decides: taking it names ``reservation IS NULL``, and each
write of a lease names its token. All are updates of one row, and hence right
on each database and isolation level. The row here tells who, what for and
since when; it comes and goes in the same transaction.

Guarantees that a node has one lease at most, that a token is never given out
twice for a node, and that no write of a lease is accepted after its end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.records import HistoryEvent, Holder, Lease, Node
from baremetal_backend.core.timestamps import seconds, timestamp
from baremetal_backend.storage.database import REPEATABLE, Database
from baremetal_backend.storage.nodes import Nodes
from baremetal_backend.storage.results import Changed, Lost
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import LEASES, NODES

_L = LEASES.c

# Made once: building a statement costs as much as running it.
_INSERT = sa.insert(LEASES)
_DELETE = sa.delete(LEASES).where(_L.node_uuid == sa.bindparam("uuid"))

# Length of the column.
_LONGEST_PURPOSE = 255


class Leases:
    """The table of leases, and what they write to nodes."""

    def __init__(
        self, database: Database, nodes: Nodes, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._nodes = nodes
        self._clock = clock
        self._mapper = RowMapper(LEASES, Lease)

    # -- one node -------------------------------------------------------------

    def take(
        self,
        uuid: str,
        holder: Holder,
        purpose: str,
        *,
        lane: str,
        expires_at: str,
        changes: Mapping[str, Any] | None = None,
        seen_version: int | None = None,
        event: HistoryEvent | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """Take the node if nobody has it, and write ``changes`` with it.

        ``seen_version``: only if it still has this version. The token is the
        changed node's ``lease_token``. Errors: as ``Nodes.change``.
        """
        row = {
            "node_uuid": uuid,
            "holder": holder.host,
            "incarnation": holder.incarnation,
            "purpose": purpose[:_LONGEST_PURPOSE],
            "lane": lane,
            "acquired_at": timestamp(self._clock()),
            "expires_at": expires_at,
        }

        def work(connection: sa.Connection) -> Changed[Node] | Lost[Node]:
            result = self._nodes.change_in(
                connection,
                uuid,
                changes or {},
                seen_version=seen_version,
                unreserved=True,
                event=event,
                lease={
                    "reservation": holder.host,
                    "lease_token": NODES.c.lease_token + 1,
                },
            )
            if isinstance(result, Changed):
                token = result.record.lease_token
                # A row is left only by somebody who cleared the reservation
                # in the database; it must not lock the node for ever.
                connection.execute(_DELETE, {"uuid": uuid})
                connection.execute(_INSERT, {**row, "token": token})
            return result

        return self._nodes.written(work, changes or {}, uuid, event)

    def give_back(
        self,
        uuid: str,
        token: int,
        changes: Mapping[str, Any] | None = None,
        event: HistoryEvent | None = None,
        *,
        seen_version: int | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """End the lease with this token, and write ``changes`` with its end.

        The holder does so when it is done, anybody else to break the lease.
        ``Lost``: it had ended before, or the node has another version than
        ``seen_version``. Errors: as ``Nodes.change``.
        """

        def work(connection: sa.Connection) -> Changed[Node] | Lost[Node]:
            return self.end_in(
                connection,
                uuid,
                changes or {},
                token=token,
                seen_version=seen_version,
                event=event,
            )

        return self._nodes.written(work, changes or {}, uuid, event)

    def end_in(
        self,
        connection: sa.Connection,
        uuid: str,
        changes: Mapping[str, Any],
        *,
        token: int | None = None,
        seen_version: int | None = None,
        event: HistoryEvent | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """``give_back`` in the caller's transaction.

        With ``seen_version`` instead of the token it fits nodes that have a
        reservation without a lease, or neither. Errors: NodeNotFound.
        """
        result = self._nodes.change_in(
            connection,
            uuid,
            changes,
            seen_version=seen_version,
            token=token,
            event=event,
            lease={"reservation": None},
        )
        if isinstance(result, Changed):
            connection.execute(_DELETE, {"uuid": uuid})
        return result

    def of_node(self, uuid: str) -> Lease | None:
        """The lease that the node is in, None if nobody has it."""
        found = self._select(_L.node_uuid == uuid)
        return found[0] if found else None

    def age(self, lease: Lease) -> float:
        """Seconds since it was taken, by this process's clock of the day."""
        return max(0.0, self._clock() - seconds(lease.acquired_at))

    # -- all of a holder ------------------------------------------------------

    def renew(
        self,
        connection: sa.Connection,
        incarnation: str,
        expires_at: str,
        except_nodes: Collection[str] = (),
    ) -> int:
        """Prolong all leases of a process in one statement; how many.

        ``except_nodes``: uuids of nodes whose work gives no sign of life.
        """
        query = sa.update(LEASES).where(_L.incarnation == incarnation)
        if except_nodes:
            query = query.where(_L.node_uuid.not_in(sorted(except_nodes)))
        return connection.execute(query.values(expires_at=expires_at)).rowcount

    def renew_all(
        self,
        incarnation: str,
        expires_at: str,
        except_nodes: Collection[str] = (),
    ) -> int:
        """``renew`` in a transaction of its own."""
        return self._database.write(
            lambda connection: self.renew(
                connection, incarnation, expires_at, except_nodes
            ),
            confirm=REPEATABLE,
        )

    def of_incarnation(self, incarnation: str) -> list[Lease]:
        """All leases of one process."""
        return self._select(_L.incarnation == incarnation)

    def all(self) -> list[Lease]:
        """All leases, by node."""
        return self._select()

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Lease]:
        query = (
            sa.select(*self._mapper.columns)
            .where(*where)
            .order_by(_L.node_uuid)
        )
        rows = self._database.read(
            lambda connection: connection.execute(query).all()
        )
        return [self._mapper.record(row) for row in rows]
