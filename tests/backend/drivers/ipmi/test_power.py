# SPDX-License-Identifier: Apache-2.0
"""A switch is done when the BMC said so after it was told."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.drivers.base import POWER_OFF, POWER_ON
from baremetal_backend.drivers.ipmi import errors
from baremetal_backend.drivers.ipmi.bmc import Bridge
from baremetal_backend.drivers.ipmi.power import IpmiPower
from tests.backend.drivers.ipmi.conftest import INFO, Task

QUICK = {"power": PowerSettings(power_state_change_timeout=30)}


@pytest.fixture
def power(bench):
    return bench.make(IpmiPower, **QUICK)


def error(kind, name="Get Chassis Status"):
    return kind("192.0.2.1:623", name, 10.0, "no answer came")


def test_the_state_is_the_one_that_the_bmc_reports(bench, power):
    assert power.get_power_state(bench.node()) == POWER_OFF
    bench.bmc.on = True
    assert power.get_power_state(bench.node()) == POWER_ON


def test_a_node_is_switched_on_and_the_state_looked_at_afterwards(
    bench, power
):
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.bmc.on
    assert bench.client.names() == [
        "Chassis Control: power up",
        "Get Chassis Status",
    ]
    assert bench.pauses == []


def test_off_is_told_to_a_node_that_seems_to_be_off_already(bench, power):
    bench.run(power.set_power_state(Task(bench.node()), POWER_OFF))
    assert bench.client.names() == [
        "Chassis Control: power down",
        "Get Chassis Status",
    ]


def test_a_bmc_that_takes_its_time_is_looked_at_less_and_less_often(
    bench, power
):
    bench.bmc.on_after = 5.0
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.bmc.on
    assert bench.pauses[:5] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert max(bench.pauses) == 1.0
    assert bench.bmc.done["Chassis Control: power up"] == 1


def test_a_bmc_that_ignored_the_command_is_told_again(bench, power):
    bench.bmc.on_after = None
    work = power.set_power_state(Task(bench.node()), POWER_ON)
    next(work)
    bench.bmc.on_after = 0.0
    began = bench.clock.now
    bench.run(work)
    assert bench.bmc.on
    assert bench.bmc.done["Chassis Control: power up"] == 2
    assert bench.clock.now - began == pytest.approx(20, abs=1.5)


def test_a_bmc_that_is_late_is_not_told_again_too_early(bench):
    power = bench.make(
        IpmiPower, power=PowerSettings(power_state_change_timeout=60)
    )
    bench.bmc.on_after = 30.0
    began = bench.clock.now
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.bmc.done["Chassis Control: power up"] == 1
    assert bench.clock.now - began == pytest.approx(30, abs=1.5)


def test_a_bmc_that_lies_about_success_fails_the_switch_in_time(bench, power):
    bench.bmc.off_after = None
    bench.bmc.on = True
    began = bench.clock.now
    with pytest.raises(HardwareFailed) as caught:
        bench.run(power.set_power_state(Task(bench.node()), POWER_OFF))
    assert "192.0.2.1:623" in caught.value.message
    assert "did not report power off within 30 s" in caught.value.message
    assert "it last said power on" in caught.value.message
    assert bench.clock.now - began == pytest.approx(30, abs=1)


def test_a_reboot_is_off_then_on_and_no_reset(bench, power):
    bench.bmc.on = True
    bench.run(power.reboot(Task(bench.node())))
    assert bench.bmc.on
    assert bench.client.names() == [
        "Chassis Control: power down",
        "Get Chassis Status",
        "Chassis Control: power up",
        "Get Chassis Status",
    ]


def test_a_reboot_waits_for_off_before_it_says_on(bench, power):
    bench.bmc.on = True
    bench.bmc.off_after = 3.0
    bench.run(power.reboot(Task(bench.node())))
    up = bench.client.names().index("Chassis Control: power up")
    assert up > 4
    assert bench.bmc.on


def test_a_bmc_that_restarts_after_the_command_is_waited_for(bench, power):
    work = power.set_power_state(Task(bench.node()), POWER_ON)
    bench.bmc.on_after = 1.0
    next(work)
    bench.client.errors["192.0.2.1"] = [error(errors.Unreachable)] * 3
    bench.clock.now += 1.0
    bench.run(work)
    assert bench.bmc.on


def test_a_bmc_that_does_not_take_the_command_is_asked_again(bench, power):
    bench.client.errors["192.0.2.1"] = [error(errors.Unreachable)] * 2
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.bmc.on
    assert bench.pauses == [1.0, 1.0]


def test_a_bmc_that_is_gone_fails_the_switch_with_what_was_tried(bench, power):
    bench.client.bmcs.clear()
    began = bench.clock.now
    with pytest.raises(HardwareFailed) as caught:
        bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    text = caught.value.message
    assert "192.0.2.1:623: power on could not be asked for in" in text
    assert "Chassis Control: power up failed after 10.0 s" in text
    assert bench.clock.now - began <= 30


def test_a_busy_bmc_is_left_alone_for_its_while(bench):
    power = bench.make(
        IpmiPower, power=PowerSettings(power_state_change_timeout=60)
    )
    bench.client.errors["192.0.2.1"] = [error(errors.Busy)]
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.pauses == [30.0]
    assert bench.bmc.on


def test_a_wrong_password_is_not_tried_again(bench, power):
    bench.client.errors["192.0.2.1"] = [error(errors.BadCredentials)]
    with pytest.raises(HardwareFailed, match="no answer came"):
        bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert bench.pauses == []


def test_a_refusal_is_the_end(bench, power):
    bench.bmc.codes[0, 2] = 0xD4
    with pytest.raises(HardwareFailed, match="0xd4"):
        bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    assert len(bench.client.sent) == 1


def test_a_refusal_because_it_is_so_already_is_a_success(bench, power):
    bench.bmc.on = True
    bench.bmc.codes[0, 2] = 0xD5
    bench.run(power.set_power_state(Task(bench.node()), POWER_ON))
    bench.bmc.on = False
    with pytest.raises(HardwareFailed, match="0xd5"):
        bench.run(power.set_power_state(Task(bench.node()), POWER_ON))


def test_a_soft_shutdown_is_asked_for_once_and_waited_for(bench, power):
    bench.bmc.on = True
    bench.bmc.soft_after = 100.0
    bench.run(power.soft_power_off(Task(bench.node()), 600))
    assert not bench.bmc.on
    assert bench.bmc.done["Chassis Control: soft shutdown"] == 1
    assert bench.bmc.done["Chassis Control: power down"] == 0


def test_a_soft_shutdown_that_never_ends_says_so(bench, power):
    bench.bmc.on = True
    bench.bmc.soft_after = None
    began = bench.clock.now
    with pytest.raises(HardwareFailed) as caught:
        bench.run(power.soft_power_off(Task(bench.node()), 60))
    assert "the operating system did not shut down" in caught.value.message
    assert "within 60 s" in caught.value.message
    assert bench.clock.now - began == pytest.approx(60, abs=1)


def test_the_first_contact_says_host_port_what_and_how_long(bench, power):
    bench.client.bmcs.clear()
    with pytest.raises(HardwareFailed) as caught:
        bench.run(power.verify(Task(bench.node())))
    assert caught.value.message == (
        "192.0.2.1:623: Get Chassis Status failed after 10.0 s: no answer"
    )


def test_an_answer_that_is_late_costs_no_thread(bench):
    power = bench.make(
        IpmiPower, **QUICK, ipmi=IpmiSettings(command_retry_timeout=10)
    )
    bench.client.hang = 1
    work = power.verify(Task(bench.node()))
    assert next(work).seconds > 0
    bench.client.hung[0].set_exception(error(errors.Unreachable))
    with pytest.raises(HardwareFailed, match="no answer came"):
        bench.run(work)


def test_an_answer_that_never_comes_is_not_waited_for_without_end(bench):
    power = bench.make(
        IpmiPower, **QUICK, ipmi=IpmiSettings(command_retry_timeout=10)
    )
    bench.client.hang = 1
    with pytest.raises(HardwareFailed, match="did not end in 15 s"):
        bench.run(power.verify(Task(bench.node())))


def test_the_background_gets_a_reading_without_waiting(bench, power):
    found = []
    bench.bmc.on = True
    assert power.ask_power_state(bench.node(), found.append)
    assert (found[0].state, found[0].error) == (POWER_ON, None)
    bench.client.errors["192.0.2.1"] = [error(errors.Busy)]
    power.ask_power_state(bench.node(), found.append)
    assert found[1].state is None
    assert found[1].error_kind == "busy"
    assert "no answer came" in found[1].error


def test_an_empty_answer_is_no_reading(bench, power):
    bench.bmc.vendor[0, 1] = b""
    found = []
    power.ask_power_state(bench.node(), found.append)
    assert found[0].error_kind == "protocol_violation"
    with pytest.raises(HardwareFailed, match="empty"):
        power.get_power_state(bench.node())


def test_a_bridged_node_is_asked_through_its_bridge(bench, power):
    info = INFO | {
        "ipmi_bridging": "single",
        "ipmi_target_channel": 7,
        "ipmi_target_address": "0x82",
    }
    power.get_power_state(bench.node(driver_info=info))
    assert bench.client.sent[-1][1].bridge == Bridge(7, 0x82)


def test_a_node_that_is_forgotten_is_logged_out(bench, power):
    power.forget(bench.node())
    assert [bmc.address for bmc in bench.client.forgotten] == ["192.0.2.1"]
    power.forget(bench.node(driver_info={}))
    assert len(bench.client.forgotten) == 1


def test_changed_data_are_read_anew(bench, power):
    power.get_power_state(bench.node())
    moved = bench.node(driver_info=INFO | {"ipmi_port": 624})
    bench.client.sent.clear()
    power.get_power_state(moved)
    assert bench.client.sent[0][0].port == 624


def test_a_new_timeout_holds_from_the_next_switch_on(bench, power):
    bench.bmc.on_after = None
    shorter = PowerSettings(power_state_change_timeout=7)
    power.reload(dataclasses.replace(power.settings, power=shorter))
    with pytest.raises(HardwareFailed, match="within 7 s"):
        bench.run(power.set_power_state(Task(bench.node()), POWER_ON))


@pytest.mark.parametrize("answered", [True, False])
def test_a_node_that_must_not_be_off_is_reset_once(bench, power, answered):
    bench.bmc.on = True
    if not answered:
        bench.client.errors["192.0.2.1"] = [
            error(errors.Unanswered, "Chassis Control: hard reset")
        ]
    node = bench.node(disable_power_off=True)
    bench.run(power.reboot(Task(node)))
    assert bench.client.names() == [
        "Chassis Control: hard reset",
        "Get Chassis Status",
    ]
    assert bench.bmc.on
