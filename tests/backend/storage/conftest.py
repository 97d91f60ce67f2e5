# SPDX-License-Identifier: Apache-2.0
"""A real SQLite file, brought up by the migrations."""

from __future__ import annotations

import pytest

from baremetal_backend.core.records import Node
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.migrate import upgrade

NOW = 1_800_000_000.0


def open_database(path, **options):
    return Database(
        DatabaseOptions(
            f"sqlite:///{path}", sqlite_synchronous=False, **options
        )
    )


@pytest.fixture
def storage(tmp_path):
    database = open_database(tmp_path / "test.sqlite", busy_timeout=0.2)
    upgrade(database)
    found = Storage(database, lambda: NOW)
    yield found
    found.close()


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def make(storage, number, driver="fake-hardware", **values):
    return storage.nodes.create(
        Node(uuid=uuid_of(number), driver=driver, **values)
    )
