# SPDX-License-Identifier: Apache-2.0
"""What becomes of nodes whose hardware is not as their record says."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.base import PowerReading
from tests.fakes.power import SILENT

ON, OFF = "power on", "power off"


def test_a_state_as_recorded_writes_nothing(following):
    node = following.node(OFF, power_state=OFF)
    following.poll()
    assert following.roster.counts.compared == 1
    assert following.get(node) == node


def test_a_first_state_is_adopted_with_an_event(following):
    node = following.node(ON, power_state=None, state="manageable")
    following.poll()
    assert following.get(node).power_state == ON
    assert following.world.history(node) == ['power state is "power on"']
    assert following.roster.counts.actions["adopt"] == 1


def test_a_node_is_switched_back_in_the_background(following):
    node = following.node(OFF, power_state=ON)
    following.poll()
    following.settle()
    seen = following.get(node)
    assert following.power.switched == [(node.uuid, ON)]
    assert (seen.power_state, seen.target_power_state) == (ON, None)
    assert seen.reservation is None
    assert following.world.history(node) == [
        'power state is "power off" and shall be "power on"; switched back',
        'power state is "power on" again',
    ]


def test_without_force_the_record_follows_the_hardware(following):
    following.options(force_power_state_during_sync=False)
    node = following.node(OFF, power_state=ON)
    following.poll()
    assert following.get(node).power_state == OFF
    assert following.power.switched == []
    assert "nobody here switched it" in following.world.history(node)[0]


def test_what_is_reloaded_holds_for_the_next_answer(following):
    node = following.node(ON, power_state=ON)
    following.poll()
    following.options(force_power_state_during_sync=False)
    following.power.hardware[node.uuid] = OFF
    following.poll()
    assert following.get(node).power_state == OFF


def test_a_dead_controller_puts_its_node_into_maintenance_in_the_end(
    following, caplog
):
    node = following.node(SILENT, power_state=ON)
    caplog.set_level(logging.WARNING)
    following.step()
    following.passes(600)
    seen = following.get(node)
    assert seen.maintenance
    assert seen.fault == "power failure"
    assert seen.power_state is None
    assert seen.last_error == seen.maintenance_reason
    assert "10.0.0.1:623: Get Chassis Status failed" in seen.last_error
    assert [one.levelname for one in caplog.records] == ["WARNING", "ERROR"]
    assert "can't be read (unreachable)" in caplog.records[0].message


def test_how_long_that_takes_is_a_matter_of_regular_questions(following):
    node = following.node(SILENT, power_state=ON)
    following.step()
    # Half an interval until the first one: then four that count, and the
    # pauses between them grow.
    following.passes(30 + 1 + 60 + 90 + 130)
    assert not following.get(node).maintenance
    following.passes(10)
    assert following.get(node).maintenance


def test_a_controller_that_restarts_for_half_a_minute_costs_nothing(
    following,
):
    node = following.node(ON, power_state=ON)
    following.poll()
    following.power.hardware[node.uuid] = SILENT
    for _ in range(15):
        following.poll()
        following.passes(2)
    following.power.hardware[node.uuid] = ON
    following.poll()
    assert following.get(node) == node
    assert following.roster.find(node.uuid).standing.strikes == 0


def test_an_answer_ends_the_power_failure(following):
    node = following.node(SILENT, power_state=ON)
    following.step()
    following.passes(400)
    assert following.get(node).maintenance
    following.power.hardware[node.uuid] = OFF
    following.passes(300)
    seen = following.get(node)
    assert not seen.maintenance
    assert seen.fault is None
    assert seen.maintenance_reason is None
    assert seen.last_error is None
    # As it is: nobody knows what happened to it meanwhile.
    assert seen.power_state == OFF
    assert following.power.switched == []
    assert following.roster.counts.actions["recover"] == 1


def test_a_power_failure_is_asked_at_its_own_interval(following):
    node = following.node(SILENT, maintenance=True, fault="power failure")
    following.step()
    following.passes(1500)
    # At the start within the interval, then a confirmation, then 300 s,
    # then longer and longer.
    assert 4 <= following.power.asked.count(node.uuid) <= 5


def test_recovery_can_be_switched_off(following):
    following.options(power_failure_recovery_interval=0)
    node = following.node(ON, maintenance=True, fault="power failure")
    following.step()
    following.passes(700)
    assert following.power.asked == []
    assert following.get(node) == node


def test_an_operators_maintenance_is_left_alone(following):
    node = following.node(ON, power_state=OFF, maintenance=True)
    following.step()
    following.passes(200)
    assert following.power.asked == []
    assert following.get(node) == node


def test_an_operators_maintenance_outlives_a_power_failure(following):
    following.options(
        power_state_sync_max_retries=0, power_failure_recovery_interval=5
    )
    node = following.node(SILENT, power_state=ON)
    following.poll()
    following.passes(2)
    assert following.get(node).fault == "power failure"
    following.world.conductor.set_node_maintenance(node.uuid, True, "disk")
    following.power.hardware[node.uuid] = ON
    following.passes(30)
    seen = following.get(node)
    assert (seen.maintenance, seen.fault) == (True, None)
    assert seen.maintenance_reason == "disk"


def test_a_node_that_falls_back_again_and_again_is_given_up(following):
    node = following.node(OFF, power_state=ON)
    following.poll()
    for _ in range(3):
        following.settle()
        following.power.hardware[node.uuid] = OFF
        following.time += 60
        following.poll()
    seen = following.get(node)
    assert seen.maintenance
    assert seen.power_state == OFF
    assert len(following.power.switched) == 3


def test_a_switch_that_fails_says_so_and_is_tried_again(following):
    following.power.obeys = False
    node = following.node(OFF, power_state=ON)
    following.poll()
    following.settle()
    seen = following.get(node)
    assert seen.last_error == (
        'Failed to switch back to "power on": the relay is stuck'
    )
    assert seen.target_power_state is None
    following.power.obeys = True
    following.passes(70)
    following.settle()
    assert following.power.hardware[node.uuid] == ON


def test_a_full_lane_is_no_fault_of_the_node(following):
    with following.world.lanes.background.place():
        places = following.world.lanes.background
        held = [places.place() for _ in range(places.size - 1)]
        for one in held:
            one.__enter__()
        node = following.node(OFF, power_state=ON)
        following.poll()
        following.settle()
        assert following.power.switched == []
        assert following.roster.find(node.uuid).standing.strikes == 0
        for one in held:
            one.__exit__(None, None, None)
    following.passes(6)
    following.settle()
    assert following.power.switched == [(node.uuid, ON)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (HardwareRefused("ipmi_address: it is missing"), "bad_data"),
        (RuntimeError("a bug"), "driver_fault"),
    ],
)
def test_what_an_interface_raises_is_its_nodes_trouble(following, error, kind):
    following.node(ON)
    following.power.error = error
    following.poll()
    assert following.roster.counts.errors == {kind: 1}


def test_a_state_that_is_none_is_an_error(following):
    node = following.node(PowerReading("error"), power_state=ON)
    following.poll()
    assert following.roster.counts.errors == {"protocol_violation": 1}
    assert following.get(node) == node


def test_an_interface_that_is_not_offered_any_more_is_said(following):
    node = following.node(ON, power_interface="gone")
    following.poll()
    trouble = following.roster.find(node.uuid).trouble
    assert trouble.kind == "bad_data"
    assert "power_interface gone" in trouble.error


def test_a_question_that_was_not_sent_counts_for_nothing(following):
    node = following.node(SILENT, power_state=ON)
    following.step()
    following.passes(32)
    before = following.roster.find(node.uuid)
    failures, strikes = before.turn.failures, before.standing.strikes
    assert failures == 2
    following.power.hardware[node.uuid] = dataclasses.replace(
        SILENT, error="not asked for another 40 s", retry_after=40.0
    )
    following.poll()
    asked = len(following.power.asked)
    seen = following.roster.find(node.uuid)
    assert (seen.turn.failures, seen.standing.strikes) == (failures, strikes)
    assert seen.trouble.error == SILENT.error
    following.passes(38)
    assert len(following.power.asked) == asked
    following.passes(3)
    assert len(following.power.asked) == asked + 1
