# SPDX-License-Identifier: Apache-2.0
"""What happens between a question and its answer makes it worthless."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.records import Holder
from tests.fakes.power import SILENT

ON, OFF = "power on", "power off"


def asked(following, hardware, **values):
    """A node that was asked and has not answered yet."""
    node = following.node(hardware, **values)
    following.power.holding = True
    following.poll()
    assert [uuid for uuid, _ in following.power.pending] == [node.uuid]
    following.power.holding = False
    return node


def operation(following, node, **changes):
    """Somebody has the node, changes it, and gives it back."""
    world = following.world
    taken = world.take(node)
    world.storage.nodes.change(node.uuid, changes, token=taken.lease_token)
    world.storage.leases.give_back(node.uuid, taken.lease_token)
    return world.get(node)


@pytest.mark.parametrize("force", [True, False])
def test_an_operation_in_between_voids_the_observation(following, force):
    following.options(force_power_state_during_sync=force)
    node = asked(following, OFF, power_state=ON)
    # It ends where it began, with a node that is on.
    after = operation(following, node, power_state=ON)
    following.power.answer()
    following.step()
    following.settle()
    assert following.get(node) == after
    assert following.power.switched == []


@pytest.mark.parametrize("force", [True, False])
def test_a_node_that_is_taken_is_left_to_who_has_it(following, force):
    following.options(force_power_state_during_sync=force)
    node = asked(following, OFF, power_state=ON)
    taken = following.world.take(node)
    following.power.answer()
    following.step()
    following.settle()
    assert following.get(node) == taken
    assert following.power.switched == []


def test_an_operator_who_puts_it_into_maintenance_is_first(following):
    following.options(power_state_sync_max_retries=0)
    node = following.node(SILENT, power_state=ON)
    following.poll()
    following.power.holding = True
    following.passes(2)
    following.world.conductor.set_node_maintenance(node.uuid, True, "disk")
    following.power.holding = False
    following.power.answer()
    following.step()
    seen = following.get(node)
    assert seen.maintenance_reason == "disk"
    assert seen.fault is None
    assert following.roster.counts.lost == 1


def test_a_changed_description_costs_one_more_question(following):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    following.world.storage.nodes.change(
        node.uuid, {"description": "new"}, seen_version=node.version
    )
    following.power.answer()
    following.passes(3)
    seen = following.get(node)
    assert (seen.power_state, seen.description) == (OFF, "new")
    assert len(following.power.asked) == 2


@pytest.mark.parametrize("force", [True, False])
def test_another_controller_in_between_voids_the_observation(following, force):
    """The old machine is off; the new one is not switched for that."""
    following.options(force_power_state_during_sync=force)
    node = asked(following, OFF, power_state=ON)
    info = {"driver_info": {"ipmi_address": "10.0.0.2"}}
    following.world.conductor.update_node(node.uuid, info, node.version)
    following.power.answer()
    following.power.hardware[node.uuid] = ON
    following.step()
    following.settle()
    assert following.get(node).power_state == ON
    assert following.power.switched == []


def test_a_node_that_comes_back_takes_no_answer_of_its_former_life(
    following,
):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    following.world.storage.nodes.delete(node.uuid, node.version)
    following.passes(3)
    following.power.holding = True
    fields = {"version": 1, "created_at": None}
    following.world.storage.nodes.create(dataclasses.replace(node, **fields))
    following.passes(3)
    (_, former), (_, present) = following.power.pending
    former(following.power.reading(node.uuid))
    following.power.hardware[node.uuid] = ON
    following.step()
    assert following.get(node).power_state == ON
    assert following.roster.in_flight == 1
    present(following.power.reading(node.uuid))
    following.step()
    assert following.roster.in_flight == 0


def test_what_could_not_be_written_is_not_forgotten(following):
    """A node that somebody edits at each moment is given up all the same."""
    following.options(power_state_sync_max_retries=0)
    node = following.node(SILENT, power_state=ON)
    following.poll()
    following.power.holding = True
    following.passes(1)
    following.world.storage.nodes.change(
        node.uuid, {"description": "new"}, seen_version=node.version
    )
    following.power.answer()
    following.step()
    assert not following.get(node).maintenance
    following.power.holding = False
    following.passes(3)
    assert following.get(node).maintenance


def test_a_node_that_is_lost_to_another_conductor_is_not_written(following):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    following.owned = lambda *_: False
    following.power.answer()
    following.step()
    assert following.get(node) == node


def test_a_conductor_that_may_not_act_does_not(following):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    following.active = False
    following.power.answer()
    following.step()
    following.passes(200)
    assert following.get(node) == node
    assert len(following.power.asked) == 1


def test_a_node_that_was_removed_meanwhile_is_forgotten(following):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    following.world.storage.nodes.delete(node.uuid, node.version)
    following.power.answer()
    following.step()
    following.passes(6)
    assert following.roster.all() == []
    assert following.power.forgotten == [(node.uuid, {})]
    assert following.roster.in_flight == 0


def test_others_are_written_although_one_of_the_batch_was_lost(following):
    following.options(force_power_state_during_sync=False)
    nodes = [following.node(OFF, power_state=ON) for _ in range(5)]
    following.power.holding = True
    following.poll()
    following.power.holding = False
    following.world.storage.nodes.delete(nodes[1].uuid, nodes[1].version)
    operation(following, nodes[3], power_state=ON)
    following.power.answer()
    following.step()
    shown = [following.get(nodes[n]).power_state for n in (0, 2, 4)]
    assert shown == [OFF] * 3
    # What came too late is looked at again, soon.
    assert following.roster.counts.lost == 2
    following.passes(8)
    assert following.get(nodes[3]).power_state == OFF


def test_a_lost_answer_is_read_again_and_then_written(following):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    operation(following, node, power_state=ON)
    following.power.answer()
    following.step()
    following.passes(2)
    assert following.get(node).power_state == OFF


def test_an_answer_to_an_earlier_question_is_dropped(following):
    node = asked(following, ON, power_state=OFF)
    (_, late), *_ = following.power.pending
    following.power.answer()
    following.step()
    compared = following.roster.counts.compared
    late(following.power.reading(node.uuid))
    following.step()
    assert following.roster.counts.compared == compared
    assert following.roster.in_flight == 0


def test_a_database_that_is_away_loses_nothing_for_good(
    following, monkeypatch
):
    following.options(force_power_state_during_sync=False)
    node = asked(following, OFF, power_state=ON)
    rows = following.poller._rows
    with monkeypatch.context() as patched:

        def away(*_):
            raise StorageUnavailable("away", retry_after=1.0)

        patched.setattr(rows, "write", away)
        patched.setattr(rows, "of_drivers", away)
        patched.setattr(rows, "of_nodes", away)
        following.power.answer()
        for _ in range(40):
            following.time += 1
            try:
                following.poller.step()
            except StorageUnavailable:
                continue
        assert following.get(node) == node
    following.passes(12)
    assert following.get(node).power_state == OFF


def test_somebody_elses_lease_is_nobodys_business_here(following):
    other = Holder("other", "22222222-2222-4222-8222-222222222222")
    node = following.node(ON, power_state=OFF)
    following.world.take(node, other)
    following.step()
    following.passes(200)
    assert following.power.asked == []
