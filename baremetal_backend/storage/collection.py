# SPDX-License-Identifier: Apache-2.0
"""Records of one kind beside nodes: ports, port groups, volumes, chassis."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from oslo_db import exception as db_exc

from baremetal_backend.core.errors import (
    AlreadyExists,
    BackendError,
    InvalidParameterValue,
    InvalidState,
    MarkerNotFound,
    ResourceNotFound,
)
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.storage import paging
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.failures import duplicated
from baremetal_backend.storage.paging import Page
from baremetal_backend.storage.results import Changed, Lost
from baremetal_backend.storage.rows import RowMapper

R = TypeVar("R")

# How an error calls a field.
_FIELD_NAMES = {"address": "MAC address", "uuid": "UUID"}


class Collection(Generic[R]):
    """Creates, lists, changes and removes the rows of one table."""

    def __init__(
        self,
        database: Database,
        table: sa.Table,
        record: Callable[..., R],
        kind: str,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._table = table
        self._record = record
        self._kind = kind
        self._clock = clock
        self._mapper = RowMapper(table, record)

    @property
    def json_fields(self) -> frozenset[str]:
        """Columns whose text in a page is JSON."""
        return self._mapper.json_fields

    def create(self, values: Mapping[str, Any]) -> R:
        """Insert a row. A missing uuid is made.

        Errors: AlreadyExists; InvalidParameterValue for a node, port group
        or chassis that does not exist.
        """
        given = {"uuid": str(uuid_module.uuid4()), **values, "version": 1}
        record = self._record(**given)
        row = self._mapper.values(
            {name: getattr(record, name) for name in self._mapper.fields}
        )
        row |= {"created_at": timestamp(self._clock()), "updated_at": None}

        def work(connection: sa.Connection) -> R:
            connection.execute(sa.insert(self._table), row)
            return self._one(connection, row["uuid"])

        try:
            return self._database.write(work, confirm=self._is_stored)
        except db_exc.DBError as error:
            raise self._meaning(error, row) from error

    def get(self, ident: str) -> R:
        """By uuid, or by name where the kind has names."""
        return self._database.read(lambda c: self._one(c, ident))

    def page(
        self,
        columns: Sequence[str],
        page: Page = Page(),  # noqa: B008
        where: Mapping[str, Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        """Plain tuples of ``columns``; JSON columns as text.

        ``where``: column to value, all must be equal. Errors:
        MarkerNotFound, InvalidParameterValue (sort key).
        """
        table = self._table
        query = sa.select(*(table.c[name] for name in columns))
        for name, value in (where or {}).items():
            query = query.where(table.c[name] == value)
        query = paging.ordered(
            query, table, page, self._database.null_is_first
        )

        def rows(connection: sa.Connection) -> list[tuple[Any, ...]]:
            wanted = query
            if page.marker is not None:
                key = page.sort_key or "id"
                marker = connection.execute(
                    sa.select(table.c.id, table.c[key]).where(
                        table.c.uuid == page.marker
                    )
                ).first()
                if marker is None:
                    raise MarkerNotFound(page.marker)
                wanted = query.where(paging.after(table, page, *marker))
            return [tuple(row) for row in connection.execute(wanted)]

        return self._database.read(rows)

    def change(
        self, uuid: str, changes: Mapping[str, Any], seen_version: int
    ) -> Changed[R] | Lost[R]:
        """Write ``changes`` if the row is still at ``seen_version``."""
        table = self._table
        values = self._mapper.values(changes)
        update = (
            sa.update(table)
            .where(table.c.uuid == uuid, table.c.version == seen_version)
            .values(
                **values,
                version=table.c.version + 1,
                updated_at=timestamp(self._clock()),
            )
        )

        def work(connection: sa.Connection) -> Changed[R] | Lost[R]:
            done = connection.execute(update).rowcount == 1
            current = self._one(connection, uuid)
            return Changed(current) if done else Lost(current)

        def confirm(
            connection: sa.Connection, result: Changed[R] | Lost[R]
        ) -> bool:
            return isinstance(result, Lost) or self._is_stored(
                connection, result.record
            )

        try:
            return self._database.write(work, confirm=confirm)
        except db_exc.DBError as error:
            raise self._meaning(error, values) from error

    def delete(self, uuid: str) -> None:
        """Remove the row. Errors: ResourceNotFound, InvalidState (in use)."""
        query = sa.delete(self._table).where(self._table.c.uuid == uuid)

        def work(connection: sa.Connection) -> bool:
            return connection.execute(query).rowcount == 1

        def confirm(connection: sa.Connection, _result: bool) -> bool:
            return self._find(connection, uuid) is None

        try:
            done = self._database.write(work, confirm=confirm)
        except db_exc.DBReferenceError as error:
            raise InvalidState(
                f"{self._kind.capitalize()} {uuid} is still in use."
            ) from error
        if not done:
            raise ResourceNotFound(self._kind.capitalize(), uuid)

    def _one(self, connection: sa.Connection, ident: str) -> R:
        found = self._find(connection, ident)
        if found is None:
            raise ResourceNotFound(self._kind.capitalize(), ident)
        return found

    def _find(self, connection: sa.Connection, ident: str) -> R | None:
        table = self._table
        match = table.c.uuid == ident
        if "name" in table.c:
            match = sa.or_(match, table.c.name == ident)
        row = connection.execute(
            sa.select(*self._mapper.columns).where(match)
        ).first()
        return None if row is None else self._mapper.record(row)

    def _is_stored(self, connection: sa.Connection, record: R) -> bool:
        """Whether the row is as this process wrote it last."""
        uuid: str = getattr(record, "uuid")  # noqa: B009 - of all kinds
        return self._find(connection, uuid) == record

    def _meaning(
        self, error: db_exc.DBError, values: Mapping[str, Any]
    ) -> BackendError:
        if isinstance(error, db_exc.DBDuplicateEntry):
            field = duplicated(error, values) or next(iter(values))
            return AlreadyExists(
                self._kind, _FIELD_NAMES.get(field, field), str(values[field])
            )
        references = {
            name: values[name]
            for name in ("node_uuid", "portgroup_uuid")
            if values.get(name)
        }
        named = ", ".join(f"{k} {v}" for k, v in references.items())
        return InvalidParameterValue(
            f"The {self._kind} refers to a record that does not exist: {named}"
        )
