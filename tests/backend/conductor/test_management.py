# SPDX-License-Identifier: Apache-2.0
"""Calls that a client waits for."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
    UnsupportedDriverExtension,
    VifAlreadyAttached,
    VifNotAttached,
)
from baremetal_backend.rpc.interface import BootDevice, Console, Validation


def test_vifs_are_attached_listed_and_detached(world):
    conductor, node = world.conductor, world.node("available")
    conductor.vif_attach(node.uuid, {"id": "a", "port_uuid": "p"})
    conductor.vif_attach(node.uuid, {"id": "b"})
    assert [vif["id"] for vif in conductor.vif_list(node.uuid)] == ["a", "b"]
    with pytest.raises(VifAlreadyAttached) as taken:
        conductor.vif_attach(node.uuid, {"id": "a"})
    assert taken.value.status == 409
    conductor.vif_detach(node.uuid, "a")
    with pytest.raises(VifNotAttached) as missing:
        conductor.vif_detach(node.uuid, "a")
    assert missing.value.status == 400
    assert [vif["id"] for vif in conductor.vif_list(node.uuid)] == ["b"]
    assert world.get(node).reservation is None


def test_a_vif_needs_an_id(world):
    with pytest.raises(InvalidParameterValue):
        world.conductor.vif_attach(world.node().uuid, {})


def test_the_boot_device_is_remembered(world):
    conductor, node = world.conductor, world.node()
    assert conductor.get_boot_device(node.uuid) == BootDevice("pxe", False)
    conductor.set_boot_device(node.uuid, "disk", True)
    assert conductor.get_boot_device(node.uuid) == BootDevice("disk", True)
    assert "disk" in conductor.get_supported_boot_devices(node.uuid)
    with pytest.raises(InvalidParameterValue, match="floppy"):
        conductor.set_boot_device(node.uuid, "floppy")


def test_a_scripted_delay_holds_the_caller_and_a_failure_reaches_it(world):
    node = world.node(
        driver_info={
            "fake_management_delay": 2,
            "fake_management_fail": "BMC is busy",
        }
    )
    with pytest.raises(HardwareFailed, match="BMC is busy"):
        world.conductor.set_boot_device(node.uuid, "disk")
    assert world.slept == [2.0]
    assert world.get(node).reservation is None


def test_the_console_has_an_address_while_it_is_on(world):
    conductor, node = world.conductor, world.node()
    assert conductor.get_console_information(node.uuid) == Console(False, None)
    conductor.set_console_mode(node.uuid, True)
    found = conductor.get_console_information(node.uuid)
    assert found.console_enabled
    assert node.uuid in found.console_info["url"]
    conductor.set_console_mode(node.uuid, False)
    assert conductor.get_console_information(node.uuid) == Console(False, None)


def test_a_node_without_a_console_says_so(world):
    node = world.node(console_interface="no-console")
    for call in (
        lambda: world.conductor.get_console_information(node.uuid),
        lambda: world.conductor.set_console_mode(node.uuid, True),
    ):
        with pytest.raises(UnsupportedDriverExtension) as caught:
            call()
        assert caught.value.status == 400


def test_boot_mode_and_secure_boot_are_shown(world):
    conductor, node = world.conductor, world.node()
    conductor.set_boot_mode(node.uuid, "uefi")
    conductor.set_secure_boot(node.uuid, True)
    seen = world.get(node)
    assert (seen.boot_mode, seen.secure_boot) == ("uefi", True)
    with pytest.raises(InvalidParameterValue, match="openfirmware"):
        conductor.set_boot_mode(node.uuid, "openfirmware")


def test_the_fake_hardware_takes_no_interrupts(world):
    with pytest.raises(UnsupportedDriverExtension, match="inject_nmi"):
        world.conductor.inject_nmi(world.node().uuid)


def test_a_raid_layout_is_remembered_for_later(world):
    node = world.node()
    world.conductor.set_target_raid_config(node.uuid, {"logical_disks": []})
    assert world.get(node).target_raid_config == {"logical_disks": []}


def test_validation_tells_of_each_interface_apart(world):
    node = world.node(
        driver_info={"fake_deploy_delay": "x"}, console_interface="no-console"
    )
    found = world.conductor.validate_driver_interfaces(node.uuid)
    assert found["storage"] == Validation(True, None)
    assert found["deploy"].result is False
    assert "fake_deploy_delay" in found["deploy"].reason
    assert found["console"].result is None
    assert found["firmware"].result is None
