# SPDX-License-Identifier: Apache-2.0
"""Pretended hardware that waits, as its script says."""

from __future__ import annotations

import pytest

from baremetal_backend.conductor import continuation
from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.states import STATES
from baremetal_backend.drivers.periodics import MARK
from baremetal_backend.rpc.interface import ProvisioningParams


class Manager:
    """Passes on what a poll reports."""

    def __init__(self, world) -> None:
        self._context = world.context

    def resume(self, node_id, seen=None):
        continuation.resume(self._context, node_id, seen)

    def fail(self, node_id, sentence, seen=None):
        continuation.fail(self._context, node_id, sentence, seen)


def act(world, node, verb, **params):
    world.conductor.do_provisioning_action(
        node.uuid, verb, ProvisioningParams(**params)
    )
    world.idle()
    return world.get(node)


def interface(world, kind):
    return world.registry.types["fake-hardware"].interfaces[kind]["fake"]


def poll(world, node, kind, seconds):
    """What the periodic task does, ``seconds`` after the wait began."""
    one = interface(world, kind)
    marked = type(one).poll
    row = world.get(node)
    assert getattr(marked, MARK).predicate(row)
    one.clock = lambda: 1000.0 + seconds
    one.poll(world.tasks.shared(node.uuid), Manager(world), None)
    world.idle()
    return world.get(node)


@pytest.fixture(autouse=True)
def clocks(world):
    for kind in ("deploy", "inspect", "rescue", "raid", "bios", "management"):
        interface(world, kind).clock = lambda: 1000.0


WAITS = [
    ("manageable", "inspect", {}, "inspect", "inspect", "inspect wait"),
    ("available", "active", {}, "deploy", "deploy", "wait call-back"),
    ("manageable", "provide", {}, "deploy", "clean", "clean wait"),
    (
        "active",
        "rescue",
        {"rescue_password": "x"},
        "rescue",
        "rescue",
        "rescue wait",
    ),
    (
        "active",
        "service",
        {"service_steps": ({"interface": "bios", "step": "factory_reset"},)},
        "bios",
        "bios",
        "service wait",
    ),
]


@pytest.mark.parametrize("case", WAITS, ids=lambda case: case[-1])
def test_a_wait_ends_when_its_delay_has_passed(world, case):
    state, verb, params, kind, operation, waits = case
    node = world.node(
        state,
        driver_info={
            f"fake_{operation}_wait": "poll",
            f"fake_{operation}_delay": 30,
        },
    )
    node = act(world, node, verb, **params)
    assert (node.provision_state, node.reservation) == (waits, None)
    goal = node.target_provision_state
    assert poll(world, node, kind, 29).provision_state == waits
    node = poll(world, node, kind, 31)
    assert node.provision_state == goal
    assert node.last_error is None
    assert node.driver_internal_info == {}


@pytest.mark.parametrize("case", WAITS, ids=lambda case: case[-1])
def test_a_wait_fails_with_the_scripts_sentence(world, case):
    state, verb, params, kind, operation, waits = case
    node = world.node(
        state,
        driver_info={
            f"fake_{operation}_wait": "poll",
            f"fake_{operation}_fail": "no contact",
        },
    )
    act(world, node, verb, **params)
    node = poll(world, node, kind, 1)
    assert node.provision_state == STATES[waits].events["fail"]
    assert node.last_error.endswith("no contact")


def test_a_step_brings_its_script_with_it(world):
    steps = (
        {
            "interface": "management",
            "step": "pretend",
            "args": {"seconds": "5", "wait": "poll"},
        },
        {
            "interface": "management",
            "step": "pretend",
            "args": {"fail": "fan 2 is dead"},
        },
    )
    node = act(world, world.node("manageable"), "clean", clean_steps=steps)
    assert node.provision_state == "clean wait"
    node = poll(world, node, "management", 6)
    assert node.provision_state == "clean failed"
    assert node.last_error == (
        "Failed to clean: step pretend of interface management: fan 2 is dead"
    )


def test_a_wait_for_a_heartbeat_is_not_polled(world):
    node = world.node(
        "available", driver_info={"fake_deploy_wait": "heartbeat"}
    )
    node = act(world, node, "active")
    predicate = getattr(type(interface(world, "deploy")).poll, MARK).predicate
    assert not predicate(node)
    with world.tasks.exclusive(node.uuid, "heartbeat") as task:
        assert task.driver.deploy.heartbeat(task, "http://127.0.0.1:9999")


def test_a_heartbeat_can_bring_a_failure(world):
    node = world.node(
        "available",
        driver_info={
            "fake_deploy_wait": "heartbeat",
            "fake_deploy_fail": "no disk",
        },
    )
    node = act(world, node, "active")
    with (
        world.tasks.exclusive(node.uuid, "heartbeat") as task,
        pytest.raises(HardwareFailed, match="no disk"),
    ):
        task.driver.deploy.heartbeat(task, "http://127.0.0.1:9999")


def test_what_an_aborted_wait_left_behind_ends_no_later_one(world):
    steps = (
        {
            "interface": "management",
            "step": "pretend",
            "args": {"wait": "poll"},
        },
    )
    node = act(world, world.node("manageable"), "clean", clean_steps=steps)
    node = act(world, node, "abort")
    assert node.provision_state == "clean failed"
    act(world, node, "manage")
    world.storage.nodes.change(
        node.uuid,
        {"driver_info": {"fake_clean_wait": "heartbeat"}},
        seen_version=world.get(node).version,
    )
    node = act(world, node, "provide")
    assert node.provision_state == "clean wait"
    predicate = getattr(
        type(interface(world, "management")).poll, MARK
    ).predicate
    assert not predicate(node)


@pytest.mark.parametrize("value", ["soon", True, 1])
def test_a_wait_for_nothing_known_is_refused(world, value):
    node = world.node("available", driver_info={"fake_deploy_wait": value})
    with pytest.raises(Exception, match="fake_deploy_wait") as caught:
        act(world, node, "active")
    assert caught.value.status == 400
