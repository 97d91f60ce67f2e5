# SPDX-License-Identifier: Apache-2.0
"""The database: engine, transactions, and what its failures mean.

SQLite is set up for many readers and one writer (WAL): a read never waits for
a write. Writes of this process queue on a lock in memory and begin as
writers, so that none fails with "database is locked" half-way; another
process's write is waited for by SQLite itself, for ``busy_timeout`` at most.

oslo.db's own engine opens SQLite's file anew for each use, which costs more
than a query. Hence SQLite's engine is made here, and takes from oslo.db only
what translates errors; other databases get oslo.db's engine as it is.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import exc_filters

from baremetal_backend.core.errors import StorageUnavailable

LOG = logging.getLogger(__name__)

_WRITES = {"baremetal_writes": True}


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """How to reach the database; names as in oslo.db's ``[database]``."""

    connection: str
    #: False: SQLite does not wait for the disk (tests, throw-away clouds).
    sqlite_synchronous: bool = True
    #: Seconds that a write waits for another writer.
    busy_timeout: float = 5.0
    max_pool_size: int = 20
    max_overflow: int = 50
    connection_recycle_time: int = 3600


class Database:
    """One engine and its transactions. Owned by ``Storage``."""

    def __init__(self, options: DatabaseOptions | str) -> None:
        if isinstance(options, str):
            options = DatabaseOptions(connection=options)
        self.options = options
        self.url = sa.engine.make_url(options.connection)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = (
            _sqlite_engine(self.url, options)
            if self.is_sqlite
            else _server_engine(options)
        )
        #: Whether ORDER BY puts NULL before values, ascending.
        self.null_is_first = self.url.get_backend_name() != "postgresql"
        self._writer = self.engine.execution_options(**_WRITES)
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reads; one snapshot for all of them."""
        with translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, all or nothing."""
        if not self.is_sqlite:
            with translated(), self._writer.begin() as connection:
                yield connection
            return
        if not self._turn.acquire(timeout=self.options.busy_timeout):
            raise StorageUnavailable(
                "The database is busy with other writes.", retry_after=1.0
            )
        try:
            with translated(), self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


@contextmanager
def translated() -> Iterator[None]:
    """Turn a database that does not answer into ``StorageUnavailable``.

    Duplicate keys and broken references stay what they are: the storage
    modules know what they mean.
    """
    try:
        yield
    except (db_exc.DBDuplicateEntry, db_exc.DBReferenceError):
        raise
    except (db_exc.DBError, sa.exc.SQLAlchemyError) as error:
        reason = str(getattr(error, "inner_exception", None) or error)
        reason = reason.splitlines()[0] if reason else type(error).__name__
        LOG.error("The database refused a statement: %s", reason)
        raise StorageUnavailable(
            f"The database is not available: {reason}", retry_after=5.0
        ) from error


def _server_engine(options: DatabaseOptions) -> sa.Engine:
    # Brings in SQLAlchemy's ORM, a tenth of a second that SQLite saves.
    from oslo_db.sqlalchemy import engines

    engine: sa.Engine = engines.create_engine(
        options.connection,
        max_pool_size=options.max_pool_size,
        max_overflow=options.max_overflow,
        connection_recycle_time=options.connection_recycle_time,
        mysql_sql_mode="TRADITIONAL",
        max_retries=0,
    )
    return engine


def _sqlite_engine(url: sa.URL, options: DatabaseOptions) -> sa.Engine:
    path = url.database
    memory = path in (None, "", ":memory:")
    if not memory and path is not None:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    arguments: dict[str, Any] = {
        "connect_args": {
            "check_same_thread": False,
            "timeout": options.busy_timeout,
        },
    }
    if memory:
        arguments["poolclass"] = sa.pool.StaticPool
    else:
        arguments["poolclass"] = sa.pool.QueuePool
        arguments["pool_size"] = options.max_pool_size
        arguments["max_overflow"] = options.max_overflow
    engine = sa.create_engine(url, **arguments)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        level = "FULL" if options.sqlite_synchronous else "OFF"
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {level}")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("baremetal_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    exc_filters.register_engine(engine)
    return engine
