# SPDX-License-Identifier: Apache-2.0
"""Nodes come, change and go."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    AlreadyExists,
    InvalidParameterValue,
    InvalidState,
    NodeAssociated,
    NodeNotFound,
    NoValidHost,
)
from baremetal_backend.rpc.interface import UpdateOptions


def test_a_new_node_is_enrolled_with_the_default_interfaces(world):
    node = world.conductor.create_node(
        {
            "driver": "fake-hardware",
            "name": "n",
            "conductor_group": "RackA",
            "console_interface": "no-console",
        }
    )
    assert node.provision_state == "enroll"
    assert node.power_state is None
    assert node.conductor_group == "racka"
    assert node.network_interface == "noop"
    assert node.console_interface == "no-console"
    assert node.firmware_interface is None
    assert len(node.uuid) == 36
    assert world.history(node) == ['enrolled as "enroll"']


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        ({}, InvalidParameterValue, "driver"),
        ({"driver": "warp"}, NoValidHost, "warp"),
        (
            {"driver": "fake-hardware", "power_interface": "ipmitool"},
            InvalidParameterValue,
            "power_interface",
        ),
        (
            {"driver": "fake-hardware", "firmware_interface": "fake"},
            InvalidParameterValue,
            "firmware_interface",
        ),
        (
            {"driver": "fake-hardware", "nonsense": 1},
            InvalidParameterValue,
            "nonsense",
        ),
        (
            {"driver": "fake-hardware", "parent_node": "nobody"},
            InvalidParameterValue,
            "parent_node",
        ),
    ],
)
def test_a_node_that_makes_no_sense_is_refused(world, values, error, text):
    with pytest.raises(error, match=text) as caught:
        world.conductor.create_node(values)
    assert caught.value.status == 400
    assert world.storage.nodes.count() == 0


def test_a_new_node_may_be_available_but_nothing_else(world):
    values = {"driver": "fake-hardware", "provision_state": "available"}
    assert world.conductor.create_node(values).provision_state == "available"
    with pytest.raises(InvalidParameterValue, match="provision_state"):
        world.conductor.create_node({**values, "provision_state": "active"})


def test_a_name_is_taken_once(world):
    values = {"driver": "fake-hardware", "name": "n"}
    world.conductor.create_node(values)
    with pytest.raises(AlreadyExists):
        world.conductor.create_node(values)


def test_an_update_that_changes_nothing_writes_nothing(world):
    node = world.node(name="a")
    same = world.conductor.update_node(
        node.uuid, {"name": "a", "extra": {}}, node.version
    )
    assert same == node


def test_an_instance_is_not_replaced_but_may_be_removed(world):
    node = world.node("available", instance_uuid="i1")
    with pytest.raises(NodeAssociated) as caught:
        world.conductor.update_node(node.uuid, {"instance_uuid": "i2"}, 1)
    assert caught.value.status == 409
    free = world.conductor.update_node(node.uuid, {"instance_uuid": None}, 1)
    assert free.instance_uuid is None


def test_an_interface_is_chosen_among_those_of_the_driver(world):
    node = world.node()
    with pytest.raises(InvalidParameterValue, match="no-console"):
        world.conductor.update_node(
            node.uuid, {"console_interface": "ipmi"}, node.version
        )
    changed = world.conductor.update_node(
        node.uuid, {"console_interface": "no-console"}, node.version
    )
    assert changed.console_interface == "no-console"
    default = world.conductor.update_node(
        node.uuid, {"console_interface": None}, changed.version
    )
    assert default.console_interface == "fake"


def test_reset_interfaces_keeps_only_those_that_the_request_names(world):
    node = world.node(console_interface="no-console", name="a")
    changed = world.conductor.update_node(
        node.uuid,
        {"driver": "fake-hardware"},
        node.version,
        UpdateOptions(reset_interfaces=True),
    )
    assert changed.console_interface == "fake"


def test_traits_are_written_as_a_whole(world):
    node = world.node()
    changed = world.conductor.update_node(
        node.uuid, {"traits": ("CUSTOM_A",)}, node.version
    )
    assert changed.traits == ("CUSTOM_A",)


def test_maintenance_is_set_on_a_node_in_use_too(world):
    node = world.node("deploying", reservation="me")
    world.conductor.set_node_maintenance(node.uuid, True, "fan")
    seen = world.get(node)
    assert (seen.maintenance, seen.maintenance_reason) == (True, "fan")
    assert seen.reservation == "me"
    world.conductor.set_node_maintenance(node.uuid, False)
    seen = world.get(node)
    assert (seen.maintenance, seen.maintenance_reason) == (False, None)
    assert world.history(node) == [
        "put into maintenance: fan",
        "taken out of maintenance",
    ]


def test_only_a_node_at_rest_is_deleted(world):
    with pytest.raises(InvalidState):
        world.conductor.destroy_node(world.node("active").uuid)
    node = world.node("available")
    world.conductor.destroy_node(node.uuid)
    with pytest.raises(NodeNotFound):
        world.conductor.destroy_node(node.uuid)
