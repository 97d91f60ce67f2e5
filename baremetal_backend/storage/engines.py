# SPDX-License-Identifier: Apache-2.0
"""How each kind of database is spoken to.

SQLite is set up for many readers and one writer (WAL): a read never waits for
a write. oslo.db's own engine opens SQLite's file anew for each use, which
costs more than a query. Hence SQLite's engine is made here, and takes from
oslo.db only what translates errors.

MariaDB and PostgreSQL get oslo.db's engine, and the same manners: READ
COMMITTED, so that a statement sees what is committed on both; four-byte
characters; a deadline for connecting and for each statement.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from oslo_db.sqlalchemy import exc_filters

from baremetal_backend.core.patience import Patience

#: Execution option of connections that will write.
WRITES = {"baremetal_writes": True}

# Seconds to connect, and to wait for a connection of the pool.
_CONNECT_TIMEOUT = 10


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """How to reach the database; names as in oslo.db's ``[database]``."""

    connection: str
    #: False: SQLite does not wait for the disk (tests, throw-away clouds).
    sqlite_synchronous: bool = True
    #: Seconds that a write to SQLite waits for another writer.
    busy_timeout: float = 5.0
    max_pool_size: int = 20
    max_overflow: int = 50
    connection_recycle_time: int = 3600
    patience: Patience = field(default_factory=Patience)
    #: Seconds for a statement on a server; 0: as long as it takes.
    statement_timeout: int = 60
    #: Seconds without a statement after which a server (PostgreSQL, MariaDB)
    #: ends a transaction: a process that stands still locks no rows.
    idle_transaction_timeout: int = 15

    @property
    def url(self) -> sa.URL:
        """``connection``, with MariaDB under the name that oslo.db knows."""
        url = sa.engine.make_url(self.connection)
        if url.get_backend_name() == "mariadb":
            driver = url.drivername.replace("mariadb", "mysql", 1)
            url = url.set(drivername=driver)
        return url


def make_engine(options: DatabaseOptions) -> sa.Engine:
    """An engine; it connects when it is used."""
    if options.url.get_backend_name() == "sqlite":
        return _sqlite_engine(options)
    return _server_engine(options)


def _server_engine(options: DatabaseOptions) -> sa.Engine:
    # Brings in SQLAlchemy's ORM, a tenth of a second that SQLite saves.
    from oslo_db.sqlalchemy import engines

    url = options.url
    mysql = url.get_backend_name() == "mysql"
    wanted = {"connect_timeout": str(_CONNECT_TIMEOUT)}
    if mysql:
        wanted["charset"] = "utf8mb4"
        if options.statement_timeout:
            wanted["read_timeout"] = str(options.statement_timeout)
            wanted["write_timeout"] = str(options.statement_timeout)
    # What the operator put into the URL stays.
    url = url.update_query_dict(
        {k: v for k, v in wanted.items() if k not in url.query}
    )
    engine: sa.Engine = engines.create_engine(
        url,
        max_pool_size=options.max_pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=_CONNECT_TIMEOUT,
        connection_recycle_time=options.connection_recycle_time,
        mysql_sql_mode="TRADITIONAL",
        max_retries=0,
        # Lets green threads take turns; ours do so by themselves.
        thread_checkin=False,
    )
    # Values are passwords of BMCs, too; errors are logged.
    engine.hide_parameters = True
    idle = options.idle_transaction_timeout
    session = (
        ["SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"]
        if mysql
        else [
            "SET SESSION CHARACTERISTICS AS TRANSACTION "
            "ISOLATION LEVEL READ COMMITTED",
            f"SET statement_timeout = '{options.statement_timeout}s'",
            f"SET idle_in_transaction_session_timeout = '{idle}s'",
        ]
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in session:
            cursor.execute(statement)
        # MySQL has nothing like it.
        if mysql and "mariadb" in connection.get_server_info().lower():
            cursor.execute(f"SET SESSION idle_transaction_timeout = {idle}")
        cursor.close()
        connection.commit()

    return engine


def _sqlite_engine(options: DatabaseOptions) -> sa.Engine:
    url = options.url
    path = url.database
    memory = path in (None, "", ":memory:")
    if not memory and path is not None:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    arguments: dict[str, Any] = {
        "connect_args": {
            "check_same_thread": False,
            "timeout": options.busy_timeout,
        },
        "hide_parameters": True,
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
