# SPDX-License-Identifier: Apache-2.0
"""Power states of many nodes at once, on each database."""

from __future__ import annotations

import pytest

from baremetal_backend.core.power_sync import COLUMNS, POWER_FAILURE, Row
from baremetal_backend.core.records import HistoryEvent, Holder
from baremetal_backend.storage.power_rows import PowerRows, PowerWrite
from tests.backend.storage.conftest import make, uuid_of

ON, OFF = "power on", "power off"


@pytest.fixture
def rows(storage):
    return PowerRows(storage.database, storage.nodes)


def write(row: Row, number: int, **changes) -> PowerWrite:
    event = HistoryEvent(
        uuid=uuid_of(900 + number),
        node_uuid=row.uuid,
        severity="INFO",
        event_type="power",
        event=f"event {number}",
    )
    return PowerWrite(row, changes, event)


def test_a_row_is_what_the_record_says(storage, rows):
    node = make(storage, 1, power_state=ON, power_interface="ipmi")
    (row,) = rows.of_drivers(["fake-hardware", "ipmi"])
    assert row == Row(*(getattr(node, name) for name in COLUMNS))
    assert row.is_still(node)


def test_other_hardware_types_are_not_read(storage, rows):
    make(storage, 1, driver="other")
    mine = make(storage, 2)
    assert [row.uuid for row in rows.of_drivers(["fake-hardware"])] == [
        mine.uuid
    ]


def test_more_nodes_than_one_query_takes_are_read(storage, rows):
    uuids = [make(storage, number).uuid for number in range(1, 302)]
    assert set(rows.of_nodes([*uuids, uuid_of(999)])) == set(uuids)
    assert {node.uuid for node in rows.nodes(uuids)} == set(uuids)
    assert rows.of_nodes([]) == {}


def test_records_come_without_what_an_instance_brings(storage, rows):
    node = make(
        storage,
        1,
        instance_info={"configdrive": "x" * 5000},
        driver_info={"ipmi_address": "10.0.0.1"},
    )
    (read,) = rows.nodes([node.uuid])
    assert read.instance_info == {}
    assert read.driver_info == {"ipmi_address": "10.0.0.1"}
    assert read.version == node.version


def test_only_nodes_that_nobody_wrote_are_written(storage, rows):
    holder = Holder("one", "1" * 36)
    free, taken, edited, worked, gone = (
        make(storage, number, power_state=ON) for number in range(1, 6)
    )
    seen = rows.of_nodes([n.uuid for n in (free, taken, edited, worked, gone)])
    for node in (taken, worked):
        lease = storage.leases.take(
            node.uuid,
            holder,
            "test",
            lane="operator",
            expires_at="2027-01-15T08:01:00+00:00",
        ).record
        if node is worked:
            storage.leases.give_back(node.uuid, lease.lease_token)
    storage.nodes.change(
        edited.uuid, {"description": "x"}, seen_version=edited.version
    )
    storage.nodes.delete(gone.uuid, gone.version)
    done = rows.write(
        [
            write(row, number, power_state=OFF)
            for number, row in enumerate(seen.values())
        ]
    )
    assert done == {free.uuid}
    shown = {
        node.uuid: storage.nodes.get(node.uuid).power_state
        for node in (free, taken, edited, worked)
    }
    assert [shown[n.uuid] for n in (free, taken, edited, worked)] == [
        OFF,
        ON,
        ON,
        ON,
    ]
    assert len(storage.history.page(free.uuid)) == 1
    assert storage.history.page(worked.uuid) == []


def test_a_write_is_done_once(storage, rows):
    node = make(storage, 1, power_state=None)
    seen = rows.of_nodes([node.uuid])[node.uuid]
    assert rows.write([write(seen, 1, power_state=ON)]) == {node.uuid}
    assert rows.write([write(seen, 2, power_state=ON)]) == set()
    assert storage.nodes.get(node.uuid).version == node.version + 1


def test_a_power_failure_is_written_and_seen(storage, rows):
    node = make(storage, 1, power_state=ON)
    seen = rows.of_nodes([node.uuid])[node.uuid]
    changes = {
        "power_state": None,
        "maintenance": True,
        "fault": POWER_FAILURE,
        "maintenance_reason": "silent",
    }
    assert rows.write([write(seen, 1, **changes)]) == {node.uuid}
    again = rows.of_nodes([node.uuid])[node.uuid]
    assert again.faulty
    assert again.power_state is None
    assert rows.write([write(again, 2, maintenance=False, fault=None)])
    assert not rows.of_nodes([node.uuid])[node.uuid].maintenance
