# SPDX-License-Identifier: Apache-2.0
"""One node that can't be judged keeps no other from being taken over."""

from __future__ import annotations

import pytest

from baremetal_backend.conductor import continuation
from tests.backend.conductor.test_takeover import Scene

ODD = [
    {"clean_steps": ["no step"], "clean_step_index": 0},
    {"clean_steps": [{"step": "a"}], "clean_step_index": 0},
    {"clean_steps": 5, "clean_step_index": 0},
    {"clean_steps": [{"interface": "deploy", "step": "a", "priority": "x"}]},
]


@pytest.fixture
def kind():
    return "sqlite"


@pytest.mark.parametrize("info", ODD)
def test_a_node_with_an_odd_plan_fails_like_any_other(world, info):
    scene = Scene(world)
    odd = scene.left("cleaning", driver_internal_info=info)
    other = scene.left("deploying")
    assert scene.takeover.sweep() == 2
    for node, state in ((odd, "clean failed"), (other, "deploy failed")):
        seen = world.get(node)
        assert seen.provision_state == state
        assert seen.reservation is None


def test_a_fault_while_work_is_begun_again_fails_that_node_only(world):
    begun = []

    def again(node):
        if not begun:
            begun.append("fault")
            raise KeyError("a driver's mistake")
        begun.append(node.uuid)

    scene = Scene(world, again)
    first, second = scene.left("deleting"), scene.left("deleting")
    assert scene.takeover.sweep() == 2
    assert begun == ["fault", second.uuid]
    seen = world.get(first)
    assert seen.provision_state == "error"
    assert "a driver's mistake" in seen.last_error


def test_a_node_of_a_driver_that_is_gone_does_not_stay_deleting(world):
    def again(node):
        operation = continuation.again(world.context, node)
        world.tasks.spawn_after(node.uuid, operation)

    scene = Scene(world, again)
    node = scene.left("deleting", deploy_interface="removed")
    scene.takeover.sweep()
    world.idle()
    assert world.get(node).provision_state == "error"
