# SPDX-License-Identifier: Apache-2.0
"""Nodes in the database.

``page`` is the hot path: it hands out plain tuples, with JSON as the text
that is stored. ``change`` is the only way to write: it names the version that
the writer saw, or the holder of the node's exclusive use, and a writer that
lost gets the present record instead of an exception.
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
from baremetal_backend.storage.history import History
from baremetal_backend.storage.paging import Page
from baremetal_backend.storage.results import Changed, Lost
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES

_C = NODES.c

_INSERT = sa.insert(NODES)

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
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._history = history
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
        row["created_at"] = timestamp(self._clock())
        row["version"] = 1
        try:
            with self._database.writing() as connection:
                connection.execute(_INSERT, row)
                if event is not None:
                    self._history.add(connection, event)
                return self._one(connection, node.uuid)
        except db_exc.DBError as error:
            raise _meaning(error, row, node.uuid) from error

    def get(self, ident: str) -> Node:
        """The node with this uuid or name. Errors: NodeNotFound."""
        with self._database.reading() as connection:
            return self._one(connection, ident)

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
        with self._database.reading() as connection:
            found = lookup.first(connection, ident)
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
        with self._database.reading() as connection:
            if page.marker is not None:
                key = page.sort_key or "id"
                marker = connection.execute(
                    sa.select(_C.id, _C[key]).where(_C.uuid == page.marker)
                ).first()
                if marker is None:
                    raise MarkerNotFound(page.marker)
                query = query.where(paging.after(NODES, page, *marker))
            rows: list[tuple[Any, ...]] = list(
                map(tuple, connection.execute(query))
            )
            return rows

    def change(
        self,
        uuid: str,
        changes: Mapping[str, Any],
        *,
        seen_version: int | None = None,
        unreserved: bool = False,
        reserved_by: str | None = None,
        event: HistoryEvent | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """Write ``changes`` if the row is as the caller expects.

        ``seen_version``: it still has this version. ``unreserved``: no
        operation has it. ``reserved_by``: this host's operation has it. At
        least one must be asked for. ``event`` is recorded in the same
        transaction, or not at all. Errors: NodeNotFound, AlreadyExists,
        InstanceAssociated, StorageUnavailable.
        """
        expected = [_C.uuid == uuid]
        if seen_version is not None:
            expected.append(_C.version == seen_version)
        if unreserved:
            expected.append(_C.reservation.is_(None))
        if reserved_by is not None:
            expected.append(_C.reservation == reserved_by)
        if len(expected) == 1:
            raise ValueError("a change names what it saw")
        values = self._mapper.values(changes)
        try:
            with self._database.writing() as connection:
                result = connection.execute(
                    sa.update(NODES)
                    .where(*expected)
                    .values(version=_C.version + 1),
                    {**values, "updated_at": timestamp(self._clock())},
                )
                done = result.rowcount == 1
                if done and event is not None:
                    self._history.add(connection, event)
                current = self._one(connection, uuid)
        except db_exc.DBError as error:
            raise _meaning(error, values, uuid) from error
        return Changed(current) if done else Lost(current)

    def delete(
        self, uuid: str, seen_version: int
    ) -> Changed[Node] | Lost[Node]:
        """Remove the node and all that belongs to it, if nobody wrote it.

        ``Changed`` shows the node as it was last. Errors: NodeNotFound.
        """
        with self._database.writing() as connection:
            current = self._one(connection, uuid)
            if current.version != seen_version:
                return Lost(current)
            connection.execute(sa.delete(NODES).where(_C.uuid == uuid))
        return Changed(current)

    def count(self, filters: NodeFilter = NodeFilter()) -> int:  # noqa: B008
        """How many nodes the filter lets through."""
        query = sa.select(sa.func.count()).select_from(NODES)
        with self._database.reading() as connection:
            total = connection.scalar(query.where(*conditions(filters)))
        return int(total or 0)

    def shards(self) -> list[tuple[str | None, int]]:
        """Every shard with its number of nodes, by name; None: in none."""
        query = (
            sa.select(_C.shard, sa.func.count())
            .group_by(_C.shard)
            .order_by(_C.shard)
        )
        with self._database.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

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
        columns = {name.rpartition(".")[2] for name in error.columns}
        for column in columns:
            if column.endswith("instance_uuid"):
                return InstanceAssociated(str(values["instance_uuid"]), node)
            if column.endswith("name"):
                return AlreadyExists("node", "name", str(values["name"]))
        return AlreadyExists("node", "UUID", node)
    return InvalidParameterValue(
        f"Chassis {values.get('chassis_uuid')} could not be found."
    )
