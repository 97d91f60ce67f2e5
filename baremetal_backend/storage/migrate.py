# SPDX-License-Identifier: Apache-2.0
"""Bring the tables to this release.

A new or older database is brought up; a database of a newer release is
refused, since nobody knows what its columns mean.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa

from baremetal_backend.storage import migrations
from baremetal_backend.storage.database import Database
from baremetal_backend.storage.failures import translated
from baremetal_backend.storage.tables import METADATA

LOG = logging.getLogger(__name__)

# Held by the upgrade that runs; others wait for it and find nothing to do.
_LOCK_NAME = "baremetal_backend_dbsync"
_LOCK_NUMBER = 0x62617265
_LOCK_SECONDS = 3600

_VERSION = sa.table("alembic_version", sa.column("version_num"))


class SchemaError(Exception):
    """The tables don't fit this release; the text says what to do."""


def revision(database: Database) -> str | None:
    """The database's revision; None for a database without our tables."""
    with database.reading() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(
            sa.select(_VERSION.c.version_num)
        )
        return found


def upgrade(database: Database) -> str | None:
    """Apply what is missing. Returns the revision that was there before.

    Errors: SchemaError, StorageUnavailable.
    """
    before = revision(database)
    if before == migrations.HEAD:
        return before
    if before is None and database.is_sqlite:
        _create(database)
        return before
    # A third of a second that a start does without.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option(
        "script_location", os.path.dirname(migrations.__file__)
    )
    try:
        with translated(), _unhurried(database) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise SchemaError(
            f"The database is at revision {before}, which this release "
            f"(revision {migrations.HEAD}) does not know: {error}. Start the "
            "release that wrote it, or point [database]connection elsewhere."
        ) from error
    LOG.info(
        "Database brought from revision %s to %s.", before, migrations.HEAD
    )
    return before


def _create(database: Database) -> None:
    """A new SQLite file gets the tables as all revisions leave them.

    A first start is not longer than any other; that the revisions lead to
    the same tables is tested.
    """

    def work(connection: sa.Connection) -> None:
        METADATA.create_all(connection)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.execute(
            sa.insert(_VERSION).values(version_num=migrations.HEAD)
        )

    database.write(work)
    LOG.info("Database made at revision %s.", migrations.HEAD)


@contextmanager
def _unhurried(database: Database) -> Iterator[sa.Connection]:
    """A transaction that no other upgrade has at the same time.

    Its statements take as long as they take: one may copy a whole table.
    """
    if database.is_sqlite:
        with database.writing() as connection:
            yield connection
        return
    patient = Database(
        replace(
            database.options, statement_timeout=0, idle_transaction_timeout=0
        )
    )
    try:
        with patient.engine.begin() as connection:
            # Ends with the transaction, or with the connection.
            if connection.dialect.name == "postgresql":
                lock = f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})"
            else:
                lock = f"SELECT GET_LOCK('{_LOCK_NAME}', {_LOCK_SECONDS})"
            connection.exec_driver_sql(lock)
            yield connection
    finally:
        patient.close()


def require_current(database: Database) -> None:
    """Refuse a database that nobody has brought up to this release.

    Errors: SchemaError with the command to run.
    """
    found = revision(database)
    if found != migrations.HEAD:
        raise SchemaError(
            f"The database is at revision {found or 'none'}, this release "
            f"needs {migrations.HEAD}: run baremetal-backend-dbsync first."
        )
