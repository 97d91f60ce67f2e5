# SPDX-License-Identifier: Apache-2.0
"""The history of nodes is cut at its old end, a little at a time."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from baremetal_backend.core.records import HistoryEvent
from baremetal_backend.core.timestamps import timestamp
from tests.backend.storage.conftest import NOW, make, uuid_of

DAY = 86400


def add(storage, node, numbers, age=0.0):
    def work(connection):
        for number in numbers:
            storage.history.add(
                connection,
                HistoryEvent(
                    uuid=uuid_of(number),
                    node_uuid=node.uuid,
                    severity="INFO",
                    event_type="provisioning",
                    event=str(number),
                    created_at=timestamp(NOW - age),
                ),
            )

    storage.database.write(work)


def events(storage, node):
    return [int(one.event) for one in storage.history.page(node.uuid)]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_the_newest_events_of_each_node_stay(storage, batch):
    full, short = make(storage, 1), make(storage, 2)
    add(storage, full, range(100, 110))
    add(storage, short, range(200, 203))
    assert storage.history.trim(max_entries=4, batch=batch) == 6
    assert events(storage, full) == [106, 107, 108, 109]
    assert events(storage, short) == [200, 201, 202]
    assert storage.history.trim(max_entries=4, batch=batch) == 0


def test_young_events_stay_however_many_they_are(storage):
    node = make(storage, 1)
    add(storage, node, range(100, 105), age=10 * DAY)
    add(storage, node, range(105, 110), age=DAY)
    assert storage.history.trim(max_entries=2, minimum_days=3) == 5
    assert events(storage, node) == [105, 106, 107, 108, 109]


def test_a_transaction_removes_no_more_than_it_is_allowed(storage):
    node = make(storage, 1)
    add(storage, node, range(100, 120))
    sizes = []

    @sa.event.listens_for(storage.database.engine, "after_cursor_execute")
    def _count(_conn, cursor, statement, *_rest):
        if statement.startswith("DELETE"):
            sizes.append(cursor.rowcount)

    assert storage.history.trim(max_entries=1, batch=8) == 19
    assert sizes == [8, 8, 3]


def test_keeping_nothing_is_refused(storage):
    with pytest.raises(ValueError, match="at least one"):
        storage.history.trim(max_entries=0)


def test_a_text_with_a_bad_character_is_told_all_the_same(storage):
    node = make(storage, 1)
    told = HistoryEvent(
        uuid=uuid_of(100),
        node_uuid=node.uuid,
        severity="ERROR",
        event_type="power",
        event="the BMC said \0",
    )
    result = storage.nodes.change(
        node.uuid,
        {"last_error": "the BMC said \0"},
        seen_version=1,
        event=told,
    )
    expected = "the BMC said \N{REPLACEMENT CHARACTER}"
    assert result.record.last_error == expected
    assert [e.event for e in storage.history.page(node.uuid)] == [expected]
