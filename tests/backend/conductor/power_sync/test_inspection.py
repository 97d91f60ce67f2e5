# SPDX-License-Identifier: Apache-2.0
"""A node that somebody else inspects is switched by nobody but its inspector.

Between the inspector's requests the hardware is now off, now on: it is cycled
to boot its ramdisk, and the ramdisk may switch it off by itself.
"""

from __future__ import annotations

import pytest

ON, OFF = "power on", "power off"


def conductor(following):
    return type(following.world.conductor)(following.world.context)


def move(following, node, **changes):
    seen = following.get(node)
    following.world.storage.nodes.change(
        node.uuid, changes, seen_version=seen.version
    )


@pytest.mark.parametrize(("hardware", "record"), [(ON, OFF), (OFF, ON)])
def test_a_node_in_inspect_wait_is_neither_asked_nor_switched_back(
    following, hardware, record
):
    node = following.node(hardware, state="inspect wait", power_state=record)
    following.passes(600)
    following.poll()
    following.settle()
    assert following.power.asked == []
    assert following.power.switched == []
    assert following.get(node) == node


def test_what_the_inspector_switches_stays_so(following):
    node = following.node(OFF, state="inspect wait", power_state=OFF)
    following.step()
    conductor(following).change_node_power_state(node.uuid, "rebooting")
    following.settle()
    following.passes(300)
    # The ramdisk has done its work and switches its machine off.
    following.power.hardware[node.uuid] = OFF
    following.passes(300)
    conductor(following).change_node_power_state(node.uuid, OFF)
    following.settle()
    move(following, node, provision_state="manageable")
    before = list(following.power.switched)
    following.passes(300)
    following.settle()
    # It is followed again, and found as it was left.
    assert node.uuid in following.power.asked
    assert following.power.switched == before
    seen = following.get(node)
    assert (seen.power_state, seen.maintenance) == (OFF, False)


@pytest.mark.parametrize("force", [True, False])
def test_an_answer_from_before_the_inspection_is_worth_nothing(
    following, force
):
    following.options(force_power_state_during_sync=force)
    node = following.node(OFF, state="manageable", power_state=ON)
    following.power.holding = True
    following.poll()
    assert following.power.pending
    move(following, node, provision_state="inspect wait")
    following.power.answer()
    following.step()
    following.settle()
    assert following.power.switched == []
    assert following.get(node).power_state == ON


def test_a_failed_inspection_leaves_the_machine_as_the_inspector_left_it(
    following,
):
    node = following.node(OFF, state="inspect wait", power_state=OFF)
    following.step()
    conductor(following).change_node_power_state(node.uuid, "rebooting")
    following.settle()
    move(following, node, provision_state="inspect failed")
    switched = list(following.power.switched)
    following.passes(300)
    following.settle()
    assert following.power.switched == switched
    assert following.get(node).power_state == ON
