# SPDX-License-Identifier: Apache-2.0
"""Real databases of all kinds, brought up by the migrations."""

from __future__ import annotations

import pytest

from baremetal_backend.core.records import Node
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from tests.databases.lending import KINDS, empty_database

NOW = 1_800_000_000.0


def open_database(path, **options):
    return Database(
        DatabaseOptions(
            f"sqlite:///{path}", sqlite_synchronous=False, **options
        )
    )


@pytest.fixture(params=KINDS)
def kind(request):
    """What database the test runs on; it runs on each."""
    return request.param


@pytest.fixture
def url(kind, tmp_path):
    """An empty database of this release."""
    with empty_database(kind, tmp_path) as found:
        yield found


@pytest.fixture
def storage(url):
    options = DatabaseOptions(url, sqlite_synchronous=False, busy_timeout=0.2)
    found = Storage(Database(options), lambda: NOW)
    yield found
    found.close()


def uuid_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def make(storage, number, driver="fake-hardware", **values):
    return storage.nodes.create(
        Node(uuid=uuid_of(number), driver=driver, **values)
    )
