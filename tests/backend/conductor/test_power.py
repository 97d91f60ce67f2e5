# SPDX-License-Identifier: Apache-2.0
"""Switching nodes on a client's request."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidStateRequested,
)
from baremetal_backend.core.states import STATES


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ("power on", "power on"),
        ("power off", "power off"),
        ("rebooting", "power on"),
        ("soft power off", "power off"),
        ("soft rebooting", "power on"),
    ],
)
def test_the_target_is_shown_at_once_and_gone_when_reached(
    world, target, reached
):
    node = world.node(
        "active",
        power_state="power on",
        driver_info={"fake_power_delay": 3},
        last_error="old",
    )
    world.conductor.change_node_power_state(node.uuid, target)
    seen = world.get(node)
    assert seen.target_power_state == reached
    assert seen.power_state == "power on"
    assert seen.last_error is None
    assert seen.reservation == "me"
    while world.tasks.running:
        world.timer.pass_time()
        world.tasks.wait_idle(0.2)
    seen = world.get(node)
    assert seen.target_power_state is None
    assert seen.power_state == reached
    assert seen.provision_state == "active"
    assert seen.reservation is None


@pytest.mark.parametrize(
    "state",
    [name for name in STATES if name not in ("cleaning", "clean wait")],
)
def test_why_an_inspection_failed_is_not_forgotten_by_a_switch(world, state):
    node = world.node(state, power_state="power on", last_error="no ramdisk")
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    seen = world.get(node)
    assert seen.power_state == "power off"
    kept = state == "inspect failed"
    assert seen.last_error == ("no ramdisk" if kept else None)


def test_a_missed_target_is_forgotten_when_a_failed_node_is_switched(world):
    node = world.node(
        "deploy failed",
        power_state="power on",
        driver_info={"fake_power_fail": "relay stuck"},
    )
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    assert "relay stuck" in world.get(node).last_error
    seen = world.get(node)
    world.storage.nodes.change(
        node.uuid, {"driver_info": {}}, seen_version=seen.version
    )
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    assert world.get(node).power_state == "power off"
    assert world.get(node).last_error is None


def test_a_failed_node_says_that_it_could_not_be_switched(world):
    node = world.node(
        "inspect failed",
        power_state="power on",
        last_error="no ramdisk",
        driver_info={"fake_power_fail": "relay stuck"},
    )
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    assert "relay stuck" in world.get(node).last_error


def test_a_missed_target_is_said_and_the_state_stays(world):
    node = world.node(
        "active",
        power_state="power on",
        driver_info={"fake_power_fail": "relay stuck"},
    )
    world.conductor.change_node_power_state(node.uuid, "power off")
    world.idle()
    seen = world.get(node)
    assert seen.power_state == "power on"
    assert seen.target_power_state is None
    assert seen.last_error == (
        'Failed to change power state to "power off": relay stuck'
    )


def test_an_unknown_target_names_the_known_ones(world):
    node = world.node("active")
    with pytest.raises(InvalidParameterValue, match="soft rebooting"):
        world.conductor.change_node_power_state(node.uuid, "sideways")


@pytest.mark.parametrize("state", ["cleaning", "clean wait"])
def test_nobody_switches_a_node_that_is_being_cleaned(world, state):
    node = world.node(state)
    with pytest.raises(InvalidStateRequested, match=state):
        world.conductor.change_node_power_state(node.uuid, "power off")
    assert world.get(node) == node
