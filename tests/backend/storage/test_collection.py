# SPDX-License-Identifier: Apache-2.0
"""Ports, port groups, volumes and chassis in the database."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    AlreadyExists,
    InvalidParameterValue,
    InvalidState,
    MarkerNotFound,
    ResourceNotFound,
)
from baremetal_backend.storage import Changed, Lost
from baremetal_backend.storage.paging import Page
from tests.backend.storage.conftest import make, uuid_of


def mac(number):
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def node(storage):
    return make(storage, 1)


def test_a_port_is_created_read_changed_and_removed(storage, node):
    port = storage.ports.create({"node_uuid": node.uuid, "address": mac(1)})
    assert storage.ports.get(port.uuid) == port
    changed = storage.ports.change(port.uuid, {"extra": {"a": 1}}, 1)
    assert isinstance(changed, Changed)
    assert changed.record.extra == {"a": 1}
    assert isinstance(storage.ports.change(port.uuid, {}, 1), Lost)
    storage.ports.delete(port.uuid)
    for call in (storage.ports.get, storage.ports.delete):
        with pytest.raises(ResourceNotFound, match="Port"):
            call(port.uuid)


def test_what_is_not_given_gets_the_records_default(storage, node):
    port = storage.ports.create({"node_uuid": node.uuid, "address": mac(1)})
    assert port.pxe_enabled is True
    group = storage.portgroups.create({"node_uuid": node.uuid})
    assert group.standalone_ports_supported is True


def test_a_mac_address_is_taken_once(storage, node):
    storage.ports.create({"node_uuid": node.uuid, "address": mac(1)})
    with pytest.raises(AlreadyExists) as caught:
        storage.ports.create({"node_uuid": node.uuid, "address": mac(1)})
    assert caught.value.message == (
        f"A port with MAC address {mac(1)} already exists."
    )
    other = storage.ports.create({"node_uuid": node.uuid, "address": mac(2)})
    with pytest.raises(AlreadyExists):
        storage.ports.change(other.uuid, {"address": mac(1)}, 1)


def test_a_port_of_no_node_is_refused_by_the_name_of_the_field(storage):
    with pytest.raises(InvalidParameterValue, match="node_uuid"):
        storage.ports.create({"node_uuid": uuid_of(9), "address": mac(1)})


def test_a_port_group_in_use_is_kept(storage, node):
    group = storage.portgroups.create({"node_uuid": node.uuid, "name": "bond"})
    assert storage.portgroups.get("bond") == group
    port = storage.ports.create(
        {
            "node_uuid": node.uuid,
            "address": mac(1),
            "portgroup_uuid": group.uuid,
        }
    )
    with pytest.raises(InvalidState, match="in use"):
        storage.portgroups.delete(group.uuid)
    storage.ports.delete(port.uuid)
    storage.portgroups.delete(group.uuid)


def test_a_volume_belongs_to_one_place_on_one_node(storage, node):
    values = {
        "node_uuid": node.uuid,
        "volume_type": "iscsi",
        "volume_id": "v",
        "boot_index": 0,
    }
    storage.volume_targets.create(values)
    with pytest.raises(AlreadyExists):
        storage.volume_targets.create(values)
    connector = {"node_uuid": node.uuid, "type": "iqn", "connector_id": "q"}
    storage.volume_connectors.create(connector)
    with pytest.raises(AlreadyExists):
        storage.volume_connectors.create(connector)


def test_a_chassis_with_nodes_is_kept(storage):
    chassis = storage.chassis.create({"description": "box"})
    node = make(storage, 1, chassis_uuid=chassis.uuid)
    with pytest.raises(InvalidState):
        storage.chassis.delete(chassis.uuid)
    storage.nodes.delete(node.uuid, 1)
    storage.chassis.delete(chassis.uuid)


def test_pages_are_filtered_and_go_on_after_the_marker(storage, node):
    other = make(storage, 2)
    made = [
        storage.ports.create({"node_uuid": node.uuid, "address": mac(n)})
        for n in range(5)
    ]
    storage.ports.create({"node_uuid": other.uuid, "address": mac(9)})
    mine = {"node_uuid": node.uuid}
    first = storage.ports.page(("uuid", "extra"), Page(2), mine)
    assert first == [(made[0].uuid, "{}"), (made[1].uuid, "{}")]
    rest = storage.ports.page(
        ("uuid",), Page(9, first[-1][0], "address", "asc"), mine
    )
    assert [row[0] for row in rest] == [one.uuid for one in made[2:]]
    with pytest.raises(MarkerNotFound):
        storage.ports.page(("uuid",), Page(1, "nonsense"))
