# SPDX-License-Identifier: Apache-2.0
"""Nothing switches a node off whose ``disable_power_off`` is set."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import PowerOffDisabled
from baremetal_backend.rpc.interface import ProvisioningParams
from tests.backend.conductor.conftest import World
from tests.databases.lending import empty_database
from tests.fakes.power import (
    BlockingPower,
    ScriptedPower,
    SwitchedHardware,
)

ON = "power on"


class ResettablePower(ScriptedPower):
    """Notes resets beside switches."""

    def reset(self, task):
        self.switched.append((task.node.uuid, "reset"))


class ResettableHardware(SwitchedHardware):
    """Hardware that can be reset."""

    interfaces = {
        **SwitchedHardware.interfaces,
        "power": (ResettablePower, BlockingPower),
    }


@pytest.fixture
def world(tmp_path):
    with empty_database("sqlite", tmp_path) as url:
        found = World(tmp_path, ResettableHardware, url=url)
        yield found
        found.close()


@pytest.fixture
def power(world):
    kinds = world.registry.types["fake-hardware"].interfaces
    return kinds["power"]["scripted"]


def kept_on(world, state="active", **values):
    return world.node(state, power_state=ON, disable_power_off=True, **values)


@pytest.mark.parametrize(
    "target", ["power off", "soft power off", "soft rebooting"]
)
def test_what_goes_through_off_is_refused(world, power, target):
    node = kept_on(world)
    with pytest.raises(PowerOffDisabled) as caught:
        world.conductor.change_node_power_state(node.uuid, target)
    assert caught.value.status == 400
    assert "disable_power_off" in caught.value.message
    assert world.get(node) == node
    assert power.switched == []


def test_a_reboot_is_a_reset(world, power):
    node = kept_on(world)
    world.conductor.change_node_power_state(node.uuid, "rebooting")
    world.idle()
    assert power.switched == [(node.uuid, "reset")]
    assert world.get(node).power_state == ON


def test_other_nodes_are_switched_off_and_on_for_a_reboot(world, power):
    node = world.node("active", power_state=ON)
    world.conductor.change_node_power_state(node.uuid, "rebooting")
    world.idle()
    assert [state for _, state in power.switched] == ["power off", ON]


def test_hardware_that_can_only_be_switched_off_and_on_says_so(world):
    node = kept_on(world, power_interface="blocking")
    world.conductor.change_node_power_state(node.uuid, "rebooting")
    world.idle()
    seen = world.get(node)
    assert seen.power_state == ON
    assert "does not support reboot without power off" in seen.last_error


def test_an_instance_comes_and_goes_and_the_node_stays_on(world, power):
    node = kept_on(world, "available", resource_class="x")
    world.conductor.do_provisioning_action(node.uuid, "active")
    world.idle()
    assert world.get(node).provision_state == "active"
    assert power.switched == [(node.uuid, "reset")]
    power.switched.clear()
    world.conductor.do_provisioning_action(node.uuid, "deleted")
    world.idle()
    assert world.get(node).provision_state == "available"
    assert world.get(node).power_state == ON
    assert "power off" not in [state for _, state in power.switched]


def test_a_rescue_resets_it_twice(world, power):
    node = kept_on(world)
    world.conductor.do_provisioning_action(
        node.uuid, "rescue", ProvisioningParams(rescue_password="x")
    )
    world.idle()
    assert world.get(node).provision_state == "rescue"
    world.conductor.do_provisioning_action(node.uuid, "unrescue")
    world.idle()
    assert world.get(node).provision_state == "active"
    assert "power off" not in [state for _, state in power.switched]
    assert (node.uuid, "reset") in power.switched


def test_a_step_that_would_switch_it_off_fails(world, power):
    node = kept_on(world, "manageable")
    step = {"interface": "power", "step": "power_off", "args": {}}
    world.conductor.do_provisioning_action(
        node.uuid, "clean", ProvisioningParams(clean_steps=[step])
    )
    world.idle()
    seen = world.get(node)
    assert seen.provision_state == "clean failed"
    assert "disable_power_off" in seen.last_error
    assert power.switched == []
