# SPDX-License-Identifier: Apache-2.0
"""Empty databases of this release, of all three kinds, for one test each.

Bringing a server's database up takes a second. Hence a test borrows one,
and it is emptied when it comes back; only a test that needs several at the
same time makes further ones.
"""

from __future__ import annotations

import atexit
import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from baremetal_backend.storage import Database
from baremetal_backend.storage.migrate import upgrade
from baremetal_backend.storage.tables import METADATA
from lab.mariadb import MariaDB
from lab.postgresql import PostgreSQL
from tests.databases import servers
from tests.fakes.blank_database import blank_database

#: For ``pytest.fixture(params=...)``.
KINDS = ("sqlite", "mariadb", "postgresql")

_names = itertools.count(1)
_free: dict[str, list[str]] = {"mariadb": [], "postgresql": []}


def server(kind: str) -> MariaDB | PostgreSQL:
    """The server of a kind other than ``sqlite``."""
    return {"mariadb": servers.mariadb, "postgresql": servers.postgresql}[
        kind
    ]()


def new_database(kind: str, directory: Path) -> str:
    """The URL of a database without any table; never used again."""
    if kind == "sqlite":
        return f"sqlite:///{directory}/new-{next(_names)}.sqlite"
    name = f"test_{next(_names)}"
    server(kind).create(name)
    return server(kind).url(name)


@contextmanager
def empty_database(kind: str, directory: Path) -> Iterator[str]:
    """The URL of a database with all tables and no rows."""
    if kind == "sqlite":
        path = blank_database(directory / "test.sqlite")
        yield f"sqlite:///{path}"
        return
    url = _free[kind].pop() if _free[kind] else _brought_up(kind, directory)
    try:
        yield url
    finally:
        _empty(url)
        _free[kind].append(url)


def _brought_up(kind: str, directory: Path) -> str:
    url = new_database(kind, directory)
    database = Database(url)
    try:
        upgrade(database)
    finally:
        database.close()
    return url


@functools.cache
def _janitor(url: str) -> Database:
    # Kept open: a server's first connection costs a fifth of a second.
    database = Database(url)
    atexit.register(database.close)
    return database


def _empty(url: str) -> None:
    remove_rows(_janitor(url))


def remove_rows(database: Database) -> None:
    """Leave the tables, and nothing in them."""
    with database.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sa.delete(table))
