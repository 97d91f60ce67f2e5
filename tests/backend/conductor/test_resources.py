# SPDX-License-Identifier: Apache-2.0
"""Ports and port groups, as the conductor takes them."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    InvalidParameterValue,
    NodeChanged,
    ResourceNotFound,
)

MAC = "52:54:00:AA:BB:01"


def test_a_port_has_its_address_in_lower_case(world):
    node = world.node()
    port = world.conductor.create_resource(
        "port", {"node_uuid": node.uuid, "address": MAC}
    )
    assert port.address == MAC.lower()
    changed = world.conductor.update_resource(
        "port", port.uuid, {"pxe_enabled": False}, port.version
    )
    assert changed.pxe_enabled is False
    with pytest.raises(NodeChanged, match="Port"):
        world.conductor.update_resource("port", port.uuid, {}, port.version)
    world.conductor.destroy_resource("port", port.uuid)
    with pytest.raises(ResourceNotFound):
        world.conductor.destroy_resource("port", port.uuid)


def test_a_port_of_no_node_is_a_bad_request(world):
    with pytest.raises(InvalidParameterValue, match="nobody"):
        world.conductor.create_resource(
            "port", {"node_uuid": "nobody", "address": MAC}
        )


def test_a_port_joins_only_groups_of_its_own_node(world):
    node, other = world.node(), world.node()
    group = world.conductor.create_resource(
        "portgroup", {"node_uuid": other.uuid}
    )
    values = {"address": MAC, "portgroup_uuid": group.uuid}
    with pytest.raises(InvalidParameterValue, match="another node"):
        world.conductor.create_resource(
            "port", {"node_uuid": node.uuid, **values}
        )
    port = world.conductor.create_resource(
        "port", {"node_uuid": other.uuid, **values}
    )
    with pytest.raises(InvalidParameterValue, match="could not be found"):
        world.conductor.update_resource(
            "port", port.uuid, {"portgroup_uuid": "nothing"}, port.version
        )
