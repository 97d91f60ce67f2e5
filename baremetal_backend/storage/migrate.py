# SPDX-License-Identifier: Apache-2.0
"""Bring the tables to this release.

A new or older database is brought up; a database of a newer release is
refused, since nobody knows what its columns mean.
"""

from __future__ import annotations

import logging
import os

import sqlalchemy as sa

from baremetal_backend.storage import migrations
from baremetal_backend.storage.database import Database, translated

LOG = logging.getLogger(__name__)

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
    # 0.1 s of imports that an ordinary start does without.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option(
        "script_location", os.path.dirname(migrations.__file__)
    )
    try:
        with translated(), database.writing() as connection:
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
