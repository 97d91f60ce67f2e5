# SPDX-License-Identifier: Apache-2.0
"""The database file: its set-up, its migrations, its failures."""

from __future__ import annotations

import os
import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.storage import migrations
from baremetal_backend.storage.migrate import (
    SchemaError,
    require_current,
    revision,
    upgrade,
)
from baremetal_backend.storage.tables import METADATA
from tests.backend.storage.conftest import make, open_database


def pragma(storage, name):
    with storage.database.reading() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_readers_never_wait_and_references_are_kept(storage):
    assert pragma(storage, "journal_mode") == "wal"
    assert pragma(storage, "foreign_keys") == 1


def test_commits_wait_for_the_disk_unless_told_otherwise(tmp_path):
    from baremetal_backend.storage import Database

    database = Database(f"sqlite:///{tmp_path}/t.sqlite")
    with database.reading() as connection:
        level = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    assert level == 2
    database.close()


def test_migrations_make_exactly_the_tables_that_the_code_uses(storage):
    with storage.database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


def test_the_newest_revision_is_the_one_that_starts_look_for():
    config = Config()
    config.set_main_option(
        "script_location", os.path.dirname(migrations.__file__)
    )
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == migrations.HEAD


def test_an_upgrade_is_done_once(tmp_path):
    database = open_database(tmp_path / "t.sqlite")
    assert revision(database) is None
    with pytest.raises(SchemaError, match="baremetal-backend-dbsync"):
        require_current(database)
    assert upgrade(database) is None
    assert upgrade(database) == migrations.HEAD
    require_current(database)
    database.close()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(tmp_path):
    database = open_database(tmp_path / "t.sqlite")
    upgrade(database)
    with database.writing() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = '9999'")
        )
    with pytest.raises(SchemaError, match="9999"):
        upgrade(database)
    assert revision(database) == "9999"
    database.close()


def test_a_failed_write_changes_nothing(storage):
    with pytest.raises(ZeroDivisionError), storage.database.writing() as c:
        c.execute(
            sa.text(
                "INSERT INTO chassis (uuid, version, extra)"
                " VALUES ('u', 1, '{}')"
            )
        )
        raise ZeroDivisionError
    assert storage.chassis.page(("uuid",)) == []


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path):
    path = tmp_path / "t.sqlite"
    path.write_bytes(b"this is not a database, it only lies here" * 100)
    database = open_database(path)
    with pytest.raises(StorageUnavailable, match="not a database"):
        upgrade(database)
    database.close()


def test_a_full_disk_is_said_and_reading_goes_on(storage):
    make(storage, 1, name="a")
    with storage.database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    # Each connection has a limit of its own: it stands for the disk's end.
    @sa.event.listens_for(storage.database.engine, "checkout")
    def _limit(connection, *_rest):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(StorageUnavailable, match="full") as caught:
        make(storage, 2, extra={"much": "x" * 100_000})
    assert caught.value.status == 503
    assert storage.nodes.get("a").name == "a"
    assert storage.nodes.count() == 1


def test_reading_goes_on_while_another_process_writes(storage, tmp_path):
    make(storage, 1, name="a")
    other = sqlite3.connect(tmp_path / "test.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE nodes SET name = 'b'")
    assert storage.nodes.get("a").name == "a"
    with pytest.raises(StorageUnavailable, match="locked"):
        make(storage, 2)
    other.execute("COMMIT")
    other.close()
    assert storage.nodes.get("b").name == "b"
    make(storage, 2)


def test_a_writer_of_this_process_waits_its_turn_but_not_for_ever(storage):
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with storage.database.writing():
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    with pytest.raises(StorageUnavailable, match="busy"):
        make(storage, 1)
    leave.set()
    thread.join(20)
    make(storage, 1)


def test_a_directory_that_can_not_be_made_is_named():
    with pytest.raises(OSError, match="nowhere"):
        open_database("/proc/nowhere/t.sqlite")
