# SPDX-License-Identifier: Apache-2.0
"""Tokens for ramdisks, and what a heartbeat sets going."""

from __future__ import annotations

import contextlib
import threading

import pytest

from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidState,
    LeaseLost,
    NodeLocked,
    NodeNotFound,
    NoFreeWorker,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.journey import AGENT_URL, TOKEN
from baremetal_backend.core.states import RAMDISK_STATES, STATES
from baremetal_backend.drivers.base import DeployInterface
from baremetal_backend.drivers.fake.hardware import FakeDeploy
from baremetal_backend.rpc.interface import ProvisioningParams

URL = "http://127.0.0.1:9999"
OFTEN = {"fake_deploy_wait": "heartbeat"}


def act(world, node, verb, **params):
    world.conductor.do_provisioning_action(
        node.uuid, verb, ProvisioningParams(**params)
    )
    world.idle()
    return world.get(node)


def waiting(world, **info):
    node = world.node("available", driver_info=OFTEN | info)
    node = act(world, node, "active")
    assert node.provision_state == "wait call-back"
    return node


def beat(world, node, token):
    world.conductor.heartbeat(node.uuid, URL, token, "9.1")
    world.idle()
    return world.get(node)


def test_a_heartbeat_with_the_token_goes_on_with_the_deployment(world):
    node = waiting(world)
    token = world.conductor.agent_token(node.uuid)
    node = beat(world, node, token)
    assert node.provision_state == "active"
    assert node.driver_internal_info["agent_version"] == "9.1"
    assert node.driver_internal_info["agent_last_heartbeat"]
    # Switching the node on ended the ramdisk.
    assert not node.driver_internal_info.keys() & {TOKEN, AGENT_URL}


def test_a_heartbeat_can_bring_the_steps_failure(world):
    node = waiting(world, fake_deploy_fail="no disk")
    token = world.conductor.agent_token(node.uuid)
    node = beat(world, node, token)
    assert node.provision_state == "deploy failed"
    assert node.last_error == (
        "Failed to deploy: step deploy of interface deploy: no disk"
    )


def test_a_token_is_given_out_once_and_not_stored(world):
    node = waiting(world)
    token = world.conductor.agent_token(node.uuid)
    assert len(token) > 30
    assert world.conductor.agent_token(node.uuid) is None
    assert token not in str(world.get(node).driver_internal_info)


def test_a_new_journey_needs_a_new_token(world):
    node = waiting(world)
    old = world.conductor.agent_token(node.uuid)
    act(world, node, "deleted")
    node = act(world, node, "active")
    new = world.conductor.agent_token(node.uuid)
    assert new not in (None, old)
    with pytest.raises(InvalidParameterValue, match="agent_token"):
        beat(world, node, old)
    assert beat(world, node, new).provision_state == "active"


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_without_the_token_nothing_is_changed(world, token):
    node = waiting(world)
    for _ in range(2):
        before = world.get(node)
        with pytest.raises(InvalidParameterValue, match="agent_token"):
            beat(world, node, token)
        assert world.get(node) == before
        world.conductor.agent_token(node.uuid)


def test_a_node_in_use_is_locked_for_its_ramdisk_as_well(world):
    node = waiting(world)
    token = world.conductor.agent_token(node.uuid)
    with world.tasks.exclusive(node.uuid, "test"):
        with pytest.raises(NodeLocked):
            beat(world, node, token)
        with pytest.raises(NodeLocked):
            world.conductor.agent_token(node.uuid)
    assert beat(world, node, token).provision_state == "active"


def test_a_heartbeat_that_ends_nothing_is_only_noted(world):
    node = waiting(world)
    world.storage.nodes.change(
        node.uuid,
        {"driver_internal_info": {}},
        seen_version=world.get(node).version,
    )
    token = world.conductor.agent_token(node.uuid)
    node = beat(world, node, token)
    assert node.provision_state == "wait call-back"
    assert node.driver_internal_info["agent_url"] == URL


@pytest.mark.parametrize("state", sorted(STATES.keys() - RAMDISK_STATES))
def test_where_no_ramdisk_runs_nothing_is_given_out_or_taken(world, state):
    node = world.node(state)
    with pytest.raises(NodeNotFound):
        world.conductor.agent_token(node.uuid)
    with pytest.raises(InvalidState, match=f'"{state}"'):
        beat(world, node, "x")
    assert world.get(node).driver_internal_info == {}


def test_a_deploy_interface_without_ramdisks_says_so(world, monkeypatch):
    monkeypatch.setattr(FakeDeploy, "heartbeat", DeployInterface.heartbeat)
    node = waiting(world)
    token = world.conductor.agent_token(node.uuid)
    with pytest.raises(UnsupportedDriverExtension, match="heartbeat"):
        beat(world, node, token)
    assert world.get(node).reservation is None


class Slow(FakeDeploy):
    """Its heartbeats stand still until the test lets them go on."""

    gate = threading.Event()
    inside = threading.Semaphore(0)

    def heartbeat(self, task, callback_url):
        self.inside.release()
        assert self.gate.wait(20)
        return False


@pytest.fixture
def slow(world, monkeypatch):
    monkeypatch.setattr(FakeDeploy, "heartbeat", Slow.heartbeat)
    monkeypatch.setattr(FakeDeploy, "inside", Slow.inside, raising=False)
    gate = threading.Event()
    monkeypatch.setattr(FakeDeploy, "gate", gate, raising=False)
    threads = []

    def begin(node, token):
        def beats():
            with contextlib.suppress(LeaseLost, NoFreeWorker):
                world.conductor.heartbeat(node.uuid, URL, token)

        one = threading.Thread(target=beats, name="test-heartbeat")
        threads.append(one)
        one.start()
        assert Slow.inside.acquire(timeout=20)

    yield begin
    gate.set()
    for one in threads:
        one.join(20)
        assert not one.is_alive()


def test_heartbeats_take_no_hand_from_operators(world, slow):
    nodes = [waiting(world) for _ in range(world.lanes.background.size)]
    for node in nodes:
        slow(node, world.conductor.agent_token(node.uuid))
    other = world.node("active")
    world.conductor.change_node_power_state(other.uuid, "power off")
    assert world.lanes.operator.figures().refused == 0


def test_a_heartbeat_that_hangs_refuses_no_request(world, slow):
    world.set_conductor(background_lease_limit=0.0)
    node = waiting(world)
    slow(node, world.conductor.agent_token(node.uuid))
    assert act(world, node, "deleted").provision_state == "available"
