# SPDX-License-Identifier: Apache-2.0
"""Nodes in the database.

``page`` is the hot path: it hands out plain tuples, with JSON as the text
that is stored. ``change`` is the only way to write fields: it names the
version that the writer saw, or the token of the lease that it has, and a
writer that lost gets the present record instead of an exception. Leases are
taken and given back in ``storage.leases``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from baremetal_backend.core.errors import (
    AlreadyExists,
    BackendError,
    InstanceAssociated,
    InvalidParameterValue,
    MarkerNotFound,
    NodeNotFound,
)
from baremetal_backend.core.records import HistoryEvent, Node, NodeFilter
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.storage import paging
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.failures import duplicated
from baremetal_backend.storage.history import History
from baremetal_backend.storage.outbox import Outbox
from baremetal_backend.storage.paging import Page
from baremetal_backend.storage.results import Changed, Lost
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES, PORTS

_C = NODES.c

_INSERT = sa.insert(NODES)

# What ``storage.leases`` writes, and nobody else.
_LEASE_FIELDS = frozenset({"reservation", "lease_token"})

_KEPT_LOOKUPS = 64

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Conditions that compare a column with the filter's value of the same name.
_EQUAL = (
    "instance_uuid",
    "resource_class",
    "provision_state",
    "maintenance",
    "driver",
    "fault",
    "owner",
    "lessee",
    "retired",
    "chassis_uuid",
    "parent_node",
    "reservation",
    "power_state",
)


class Nodes:
    """The table of nodes."""

    def __init__(
        self,
        database: Database,
        history: History,
        outbox: Outbox,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._history = history
        self._outbox = outbox
        self._clock = clock
        self._mapper = RowMapper(NODES, Node)
        # Made once: building a statement costs as much as running it.
        self._select_by = _Lookup(sa.select(*self._mapper.columns))
        self._row_by: dict[tuple[str, ...], _Lookup] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """All column names that ``page`` takes, as in ``Node``."""
        return self._mapper.fields

    @property
    def json_fields(self) -> frozenset[str]:
        """Columns whose text in a page is JSON."""
        return self._mapper.json_fields

    def create(self, node: Node, event: HistoryEvent | None = None) -> Node:
        """Insert a node. Errors: AlreadyExists, InstanceAssociated."""
        values = {name: getattr(node, name) for name in self._mapper.fields}
        row = self._mapper.values(values)
        now = self._clock()
        row["created_at"] = timestamp(now)
        row["version"] = 1
        # Far above every token of an earlier node of this uuid, whose
        # holder may still be at work: a lease takes more than a millisecond.
        row["lease_token"] = int(now * 1000)

        def work(connection: sa.Connection) -> Node:
            connection.execute(_INSERT, row)
            if event is not None:
                self._history.add(connection, event)
            created = self._one(connection, node.uuid)
            self._outbox.add(connection, None, created, event)
            return created

        try:
            return self._database.write(work, confirm=self._is_stored)
        except db_exc.DBError as error:
            raise _meaning(error, row, node.uuid) from error

    def get(self, ident: str) -> Node:
        """The node with this uuid or name. Errors: NodeNotFound."""
        return self._database.read(lambda c: self._one(c, ident))

    def row(self, ident: str, columns: Sequence[str]) -> tuple[Any, ...]:
        """Columns of one node (by uuid or name) as ``page`` gives them."""
        key = tuple(columns)
        lookup = self._row_by.get(key)
        if lookup is None:
            lookup = _Lookup(sa.select(*(_C[name] for name in key)))
            # Clients ask for a few column lists; a client that asks for
            # many must not fill the memory.
            if len(self._row_by) < _KEPT_LOOKUPS:
                self._row_by[key] = lookup
        found = self._database.read(lambda c: lookup.first(c, ident))
        if found is None:
            raise NodeNotFound(ident)
        return tuple(found)

    def page(
        self,
        columns: Sequence[str],
        filters: NodeFilter = NodeFilter(),  # noqa: B008
        page: Page = Page(),  # noqa: B008
    ) -> list[tuple[Any, ...]]:
        """Plain tuples of ``columns``; JSON columns as text.

        Errors: MarkerNotFound, InvalidParameterValue (sort key or direction).
        """
        query = sa.select(*(_C[name] for name in columns))
        query = query.where(*conditions(filters))
        query = paging.ordered(
            query, NODES, page, self._database.null_is_first
        )

        def rows(connection: sa.Connection) -> list[tuple[Any, ...]]:
            wanted = query
            if page.marker is not None:
                key = page.sort_key or "id"
                marker = connection.execute(
                    sa.select(_C.id, _C[key]).where(_C.uuid == page.marker)
                ).first()
                if marker is None:
                    raise MarkerNotFound(page.marker)
                wanted = query.where(paging.after(NODES, page, *marker))
            return list(map(tuple, connection.execute(wanted)))

        return self._database.read(rows)

    def change(
        self,
        uuid: str,
        changes: Mapping[str, Any],
        *,
        seen_version: int | None = None,
        unreserved: bool = False,
        token: int | None = None,
        event: HistoryEvent | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """Write ``changes`` if the row is as the caller expects.

        ``seen_version``: it still has this version. ``unreserved``: no
        operation has it. ``token``: the lease with this number is in force.
        At least one must be asked for. ``event`` is recorded in the same
        transaction, or not at all. Errors: NodeNotFound, AlreadyExists,
        InstanceAssociated, StorageUnavailable.
        """
        if _LEASE_FIELDS & changes.keys():
            raise ValueError("only leases write the reservation")

        def work(connection: sa.Connection) -> Changed[Node] | Lost[Node]:
            return self.change_in(
                connection,
                uuid,
                changes,
                seen_version=seen_version,
                unreserved=unreserved,
                token=token,
                event=event,
            )

        return self.written(work, changes, uuid, event)

    def change_in(
        self,
        connection: sa.Connection,
        uuid: str,
        changes: Mapping[str, Any],
        *,
        seen_version: int | None = None,
        unreserved: bool = False,
        token: int | None = None,
        event: HistoryEvent | None = None,
        lease: Mapping[str, Any] | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """``change`` in the caller's transaction.

        ``lease``: what a lease writes beside, for ``storage.leases`` only.
        """
        expected = [_C.uuid == uuid]
        if seen_version is not None:
            expected.append(_C.version == seen_version)
        if unreserved:
            expected.append(_C.reservation.is_(None))
        if token is not None:
            expected.append(_C.lease_token == token)
            expected.append(_C.reservation.is_not(None))
        if len(expected) == 1:
            raise ValueError("a change names what it saw")
        fields = {k: v for k, v in changes.items() if k not in _LEASE_FIELDS}
        counted: dict[str, Any] = {"version": _C.version + 1, **(lease or {})}
        if "provision_state" in fields:
            counted["transition"] = _C.transition + 1
        before = self._for_update(connection, uuid)
        result = connection.execute(
            sa.update(NODES).where(*expected).values(**counted),
            {
                **self._mapper.values(fields),
                "updated_at": timestamp(self._clock()),
            },
        )
        done = result.rowcount == 1
        if done and event is not None:
            self._history.add(connection, event)
        current = self._one(connection, uuid)
        if done and before is not None:
            self._outbox.add(connection, before, current, event)
        return Changed(current) if done else Lost(current)

    def written(
        self,
        work: Callable[[sa.Connection], Changed[Node] | Lost[Node]],
        changes: Mapping[str, Any],
        uuid: str,
        event: HistoryEvent | None,
    ) -> Changed[Node] | Lost[Node]:
        """Run ``work`` in a transaction; errors as ``change`` has them."""

        def confirm(
            connection: sa.Connection, result: Changed[Node] | Lost[Node]
        ) -> bool:
            if isinstance(result, Lost):
                return True
            if event is not None:
                return self._history.has(connection, event.uuid)
            return self._is_stored(connection, result.record)

        try:
            return self._database.write(work, confirm=confirm)
        except db_exc.DBError as error:
            raise _meaning(error, changes, uuid) from error

    def delete(
        self, uuid: str, seen_version: int
    ) -> Changed[Node] | Lost[Node]:
        """Remove the node and all that belongs to it, if nobody wrote it.

        ``Changed`` shows the node as it was last. Errors: NodeNotFound.
        """

        lock = (
            sa.update(NODES)
            .where(_C.uuid == uuid, _C.version == seen_version)
            .values(version=_C.version + 1)
        )

        def work(connection: sa.Connection) -> Changed[Node] | Lost[Node]:
            current = self._one(connection, uuid)
            if connection.execute(lock).rowcount != 1:
                return Lost(self._one(connection, uuid))
            # MariaDB checks references row by row: it would refuse a port
            # group that goes before its ports.
            connection.execute(
                sa.delete(PORTS).where(PORTS.c.node_uuid == uuid)
            )
            connection.execute(sa.delete(NODES).where(_C.uuid == uuid))
            self._outbox.add(connection, current, None)
            return Changed(current)

        def confirm(
            connection: sa.Connection, result: Changed[Node] | Lost[Node]
        ) -> bool:
            lost = isinstance(result, Lost)
            return lost or self._select_by.first(connection, uuid) is None

        return self._database.write(work, confirm=confirm)

    def count(self, filters: NodeFilter = NodeFilter()) -> int:  # noqa: B008
        """How many nodes the filter lets through."""
        query = sa.select(sa.func.count()).select_from(NODES)
        query = query.where(*conditions(filters))
        total = self._database.read(lambda c: c.scalar(query))
        return int(total or 0)

    def shards(self) -> list[tuple[str | None, int]]:
        """Every shard with its number of nodes, by name; None: in none."""
        query = (
            sa.select(_C.shard, sa.func.count())
            .group_by(_C.shard)
            .order_by(_C.shard)
        )
        rows = self._database.read(lambda c: c.execute(query).all())
        return [(row[0], row[1]) for row in rows]

    def _is_stored(self, connection: sa.Connection, node: Node) -> bool:
        row = self._select_by.first(connection, node.uuid)
        return row is not None and self._mapper.record(row) == node

    def _for_update(self, connection: sa.Connection, uuid: str) -> Node | None:
        """The node as it stays until this transaction writes it.

        Only where somebody wants to know what it was before.
        """
        if not self._outbox.is_on:
            return None
        query = sa.select(*self._mapper.columns).where(_C.uuid == uuid)
        row = connection.execute(query.with_for_update()).first()
        return None if row is None else self._mapper.record(row)

    def _one(self, connection: sa.Connection, ident: str) -> Node:
        row = self._select_by.first(connection, ident)
        if row is None:
            raise NodeNotFound(ident)
        return self._mapper.record(row)


class _Lookup:
    """One node by uuid or by name."""

    def __init__(self, query: sa.Select[Any]) -> None:
        self._by_uuid = query.where(_C.uuid == sa.bindparam("ident"))
        self._by_name = query.where(_C.name == sa.bindparam("ident"))

    def first(
        self, connection: sa.Connection, ident: str
    ) -> sa.Row[Any] | None:
        # Names can't look like uuids (the API refuses them), so that one
        # unique index answers.
        if is_uuid(ident):
            values = {"ident": ident.lower()}
            return connection.execute(self._by_uuid, values).first()
        return connection.execute(self._by_name, {"ident": ident}).first()


def conditions(filters: NodeFilter) -> list[sa.ColumnElement[bool]]:
    """The filter as SQL; no condition for what was not asked for."""
    found: list[sa.ColumnElement[bool]] = []
    for name in _EQUAL:
        value = getattr(filters, name)
        if value is not None:
            found.append(_C[name] == value)
    if filters.conductor_group is not None:
        found.append(_C.conductor_group == filters.conductor_group.lower())
    for wanted, column in (
        (filters.associated, _C.instance_uuid),
        (filters.sharded, _C.shard),
    ):
        if wanted is not None:
            found.append(column.is_not(None) if wanted else column.is_(None))
    if filters.shards is not None:
        found.append(_C.shard.in_(filters.shards))
    if filters.project is not None:
        found.append(
            sa.or_(_C.owner == filters.project, _C.lessee == filters.project)
        )
    if filters.description_contains is not None:
        found.append(
            _C.description.icontains(
                filters.description_contains, autoescape=True
            )
        )
    if filters.top_level:
        found.append(_C.parent_node.is_(None))
    return found


def is_uuid(text: str) -> bool:
    """Whether the text has a uuid's shape."""
    return _UUID.fullmatch(text) is not None


def _meaning(
    error: db_exc.DBError, values: Mapping[str, Any], node: str
) -> BackendError:
    if isinstance(error, db_exc.DBDuplicateEntry):
        field = duplicated(error, ("instance_uuid", "name", "uuid"))
        if field == "instance_uuid":
            return InstanceAssociated(str(values["instance_uuid"]), node)
        if field == "name":
            return AlreadyExists("node", "name", str(values["name"]))
        return AlreadyExists("node", "UUID", node)
    return InvalidParameterValue(
        f"Chassis {values.get('chassis_uuid')} could not be found."
    )
