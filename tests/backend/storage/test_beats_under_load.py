# SPDX-License-Identifier: Apache-2.0
"""A conductor says that it lives whatever the rest of the process does."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.storage import Database, DatabaseOptions, Storage

ME = Holder("me", "11111111-1111-4111-8111-111111111111")


@pytest.fixture(params=["mariadb", "postgresql"])
def kind(request):
    """These tests are about servers, which have few connections."""
    return request.param


def test_a_beat_needs_no_connection_that_others_have(url):
    options = DatabaseOptions(url, max_pool_size=1, max_overflow=1)
    storage = Storage(Database(options))
    record = ConductorRecord(
        host=ME.host,
        incarnation=ME.incarnation,
        registered_at="2027-01-15T08:00:00+00:00",
        renewed_at="2027-01-15T08:00:00+00:00",
    )
    assert storage.conductors.register(record, None)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(storage.database.reading())
        assert storage.conductors.renew(ME, "2027-01-15T08:00:10+00:00")
        assert [one.beat for one in storage.conductors.beats()] == [1]
    storage.close()
