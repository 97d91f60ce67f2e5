# SPDX-License-Identifier: Apache-2.0
"""Pages by key, not by number: page 1,000 costs what page 1 costs.

A page goes on after the row that a marker names: after its (sort value, id).
NULL sorts before every value, on every database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.storage.tables import JSON_KEY


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted.

    ``marker`` is the uuid of the last row of the page before. ``sort_key``
    None is the order of creation. ``limit`` None is no limit.
    """

    limit: int | None = None
    marker: str | None = None
    sort_key: str | None = None
    sort_dir: str = "asc"


def sort_column(table: sa.Table, sort_key: str) -> sa.Column[Any]:
    """The column to sort by. InvalidParameterValue if it can't be one."""
    column = table.c.get(sort_key)
    if column is None or column.info.get(JSON_KEY):
        raise InvalidParameterValue(
            f'The sort_key value "{sort_key}" is an invalid field for sorting'
        )
    return column


def ordered(
    query: sa.Select[Any], table: sa.Table, page: Page, null_is_first: bool
) -> sa.Select[Any]:
    """The query in the page's order, with its limit.

    ``null_is_first``: whether the database sorts NULL so by itself.
    """
    if page.sort_dir not in ("asc", "desc"):
        raise InvalidParameterValue(
            f'Invalid sort direction "{page.sort_dir}": use asc or desc.'
        )
    down = page.sort_dir == "desc"
    identity = table.c.id.desc() if down else table.c.id.asc()
    if page.sort_key is not None:
        column = sort_column(table, page.sort_key)
        order = column.desc() if down else column.asc()
        if column.nullable and not null_is_first:
            order = order.nulls_last() if down else order.nulls_first()
        query = query.order_by(order)
    query = query.order_by(identity)
    if page.limit is not None:
        query = query.limit(page.limit)
    return query


def after(
    table: sa.Table, page: Page, marker_id: int, marker_value: Any
) -> sa.ColumnElement[bool]:
    """Rows that come after the marker's row in the page's order."""
    down = page.sort_dir == "desc"
    later = table.c.id < marker_id if down else table.c.id > marker_id
    if page.sort_key is None:
        return later
    column = sort_column(table, page.sort_key)
    if marker_value is None:
        rest = sa.and_(column.is_(None), later)
        return rest if down else sa.or_(column.is_not(None), rest)
    if down:
        rest = sa.or_(column < marker_value, later)
        at_most = sa.and_(column <= marker_value, rest)
        return (
            sa.or_(at_most, column.is_(None)) if column.nullable else at_most
        )
    # The first condition says nothing new; it lets an index begin there.
    return sa.and_(
        column >= marker_value, sa.or_(column > marker_value, later)
    )
