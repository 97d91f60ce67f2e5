# SPDX-License-Identifier: Apache-2.0
"""What only SQLite does: one writer, many readers, a file on a disk."""

from __future__ import annotations

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.storage.migrate import upgrade
from tests.backend.storage.conftest import make, open_database


@pytest.fixture
def kind():
    """These tests are about one kind."""
    return "sqlite"


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
