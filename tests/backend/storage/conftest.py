# SPDX-License-Identifier: Apache-2.0
"""A real SQLite file, brought up by the migrations."""

from __future__ import annotations

import pytest

from baremetal_backend.core.records import Node
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from tests.fakes.blank_database import blank_database

NOW = 1_800_000_000.0


def open_database(path, **options):
    return Database(
        DatabaseOptions(
            f"sqlite:///{path}", sqlite_synchronous=False, **options
        )
    )


@pytest.fixture
def storage(tmp_path):
    path = blank_database(tmp_path / "test.sqlite")
    database = open_database(path, busy_timeout=0.2)
    found = Storage(database, lambda: NOW)
    yield found
    found.close()


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def make(storage, number, driver="fake-hardware", **values):
    return storage.nodes.create(
        Node(uuid=uuid_of(number), driver=driver, **values)
    )
