# SPDX-License-Identifier: Apache-2.0
"""Boot flags, lamp, interrupt, log and restart of a BMC."""

from __future__ import annotations

import pytest

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
)
from baremetal_backend.drivers.base import POWER_ON
from baremetal_backend.drivers.ipmi import errors
from baremetal_backend.drivers.ipmi.boot_options import BootFlags, decoded
from baremetal_backend.drivers.ipmi.management import (
    IDENTIFY,
    IpmiManagement,
)
from baremetal_backend.drivers.ipmi.power import IpmiPower
from tests.backend.drivers.ipmi.conftest import INFO, Task


@pytest.fixture
def management(bench):
    return bench.make(IpmiManagement)


def set_device(bench, management, task, device, persistent):
    bench.run(management.set_boot_device(task, device, persistent))


@pytest.mark.parametrize(
    ("device", "persistent", "uefi", "flags"),
    [
        ("pxe", False, False, "80 04 00 00 00"),
        ("pxe", True, True, "e0 04 00 00 00"),
        ("disk", True, False, "c0 08 00 00 00"),
        ("cdrom", False, True, "a0 14 00 00 00"),
        ("bios", False, False, "80 18 00 00 00"),
        ("safe", False, False, "80 0c 00 00 00"),
    ],
)
def test_boot_flags_are_the_bytes_of_the_standard(
    device, persistent, uefi, flags
):
    one = BootFlags(device, persistent, uefi)
    assert one.encoded() == bytes.fromhex("05" + flags)
    assert decoded(bytes.fromhex("0105" + flags)) == one


def test_flags_that_do_not_hold_are_none():
    assert decoded(bytes.fromhex("0105 40 04 00 00 00")) is None
    assert decoded(bytes.fromhex("0105 80 00 00 00 00")) is None
    # The parameter is marked as invalid (table 28-14, byte 3 of an answer).
    assert decoded(bytes.fromhex("0185 80 04 00 00 00")) is None


@pytest.mark.parametrize(
    ("values", "uefi"),
    [
        ({}, True),
        ({"boot_mode": "bios"}, False),
        ({"properties": {"capabilities": "boot_mode:bios,x:y"}}, False),
        ({"properties": {"capabilities": "x:y"}}, True),
        (
            {
                "boot_mode": "uefi",
                "properties": {"capabilities": "boot_mode:bios"},
            },
            True,
        ),
        (
            {
                "boot_mode": "uefi",
                "instance_info": {"capabilities": {"boot_mode": "bios"}},
            },
            False,
        ),
        (
            {"instance_info": {"capabilities": '{"boot_mode": "bios"}'}},
            False,
        ),
        ({"instance_info": {"capabilities": 7}}, True),
    ],
)
def test_the_boot_mode_of_the_node_is_a_part_of_the_flags(
    bench, management, values, uefi
):
    task = Task(bench.node(**values))
    set_device(bench, management, task, "pxe", False)
    assert bool(bench.bmc.boot_flags[0] & 0x20) is uefi


def test_a_device_that_was_set_is_shown(bench, management):
    task = Task(bench.node())
    assert management.get_boot_device(task.node) == (None, None)
    set_device(bench, management, task, "disk", True)
    assert management.get_boot_device(task.node) == ("disk", True)


def test_a_bmc_that_tells_nothing_is_answered_for(bench, management):
    task = Task(bench.node())
    set_device(bench, management, task, "pxe", True)
    bench.bmc.boot_flags = bytes(5)
    assert management.get_boot_device(task.node) == ("pxe", True)


def test_what_the_bmc_says_comes_before_what_was_set(bench, management):
    task = Task(bench.node())
    set_device(bench, management, task, "pxe", True)
    bench.bmc.boot_flags = BootFlags("cdrom", False, False).encoded()[1:]
    assert management.get_boot_device(task.node) == ("cdrom", False)


def test_flags_that_are_cut_off_are_an_error(bench, management):
    bench.bmc.vendor[0, 9] = b"\x01"
    with pytest.raises(HardwareFailed, match="1 bytes of boot flags"):
        management.get_boot_device(bench.node())


def test_an_unknown_device_is_refused_with_the_known(bench, management):
    with pytest.raises(InvalidParameterValue, match="pxe, disk, safe"):
        management.set_boot_device(Task(bench.node()), "floppy", False)
    assert bench.client.sent == []
    assert "pxe" in management.boot_devices(bench.node())


@pytest.mark.parametrize(("wanted", "sent"), [(True, True), (False, False)])
def test_the_bmc_is_told_to_keep_the_flag_unless_told_not_to(
    bench, management, wanted, sent
):
    info = INFO | {"ipmi_disable_boot_timeout": wanted}
    task = Task(bench.node(driver_info=info))
    set_device(bench, management, task, "pxe", False)
    assert (bench.bmc.boot_parameters.get(3) == b"\x08") is sent


def test_a_bmc_that_can_not_keep_a_flag_gets_it_all_the_same(
    bench, management
):
    refused = errors.Refused("192.0.2.1:623", "Set", 0.0, "no", 0x80)
    bench.client.errors["192.0.2.1"] = [refused]
    set_device(bench, management, Task(bench.node()), "pxe", False)
    assert bench.bmc.boot_flags[1] == 0x04
    bench.client.errors["192.0.2.1"] = gone(1)
    with pytest.raises(HardwareFailed, match="down"):
        set_device(bench, management, Task(bench.node()), "pxe", False)


def test_a_forgetful_bmc_is_told_again_before_the_node_is_switched_on(
    bench, management
):
    info = INFO | {"ipmi_force_boot_device": True}
    task = Task(bench.node(driver_info=info), management=management)
    set_device(bench, management, task, "disk", True)
    bench.bmc.boot_flags = bytes(5)
    power = bench.make(IpmiPower)
    bench.run(power.set_power_state(task, POWER_ON))
    assert bench.bmc.boot_flags[1] == 0x08
    names = bench.client.names()
    assert names.index("Chassis Control: power up") > (
        len(names) - 1 - names[::-1].index("Set System Boot Options")
    )


def test_nothing_is_set_again_unless_the_node_asks_for_it(bench, management):
    task = Task(bench.node(), management=management)
    set_device(bench, management, task, "disk", True)
    bench.bmc.boot_flags = bytes(5)
    bench.run(bench.make(IpmiPower).set_power_state(task, POWER_ON))
    assert bench.bmc.boot_flags == bytes(5)


def test_a_device_for_one_boot_is_used_up_by_it(bench, management):
    task = Task(bench.node(), management=management)
    set_device(bench, management, task, "pxe", False)
    bench.run(bench.make(IpmiPower).set_power_state(task, POWER_ON))
    bench.bmc.boot_flags = bytes(5)
    assert management.get_boot_device(task.node) == (None, None)
    assert task.node.driver_internal_info == {}


def test_a_new_boot_mode_is_sent_with_the_device_that_was_set(
    bench, management
):
    task = Task(bench.node())
    bench.run(management.set_boot_mode(task, "bios"))
    assert bench.client.sent == []
    set_device(bench, management, task, "disk", True)
    bench.run(management.set_boot_mode(task, "bios"))
    assert bench.bmc.boot_flags[0] == 0xC0


@pytest.mark.parametrize("state", ["on", "blinking", "off"])
def test_the_lamp_shows_what_it_was_switched_to(bench, management, state):
    task = Task(bench.node())
    assert management.indicators(task.node) == (IDENTIFY,)
    bench.run(management.set_indicator(task, IDENTIFY, state))
    assert management.get_indicator(task.node, IDENTIFY) == state


def test_a_bmc_that_does_not_tell_leaves_the_lamp_unknown(bench, management):
    bench.bmc.vendor[0, 1] = b"\x01\x00\x00"
    assert management.get_indicator(bench.node(), IDENTIFY) == "unknown"
    bench.bmc.vendor[0, 1] = b"\x01"
    assert management.get_indicator(bench.node(), IDENTIFY) == "unknown"


def test_an_interrupt_is_sent_once(bench, management):
    bench.run(management.inject_nmi(Task(bench.node())))
    [(_, command)] = bench.client.sent
    assert (command.data, command.repeatable) == (b"\x04", False)


def test_an_interrupt_without_an_answer_is_not_repeated(bench, management):
    bench.client.errors["192.0.2.1"] = [
        errors.Unanswered("192.0.2.1:623", "NMI", 10.0, "nothing came")
    ]
    with pytest.raises(HardwareFailed, match="nothing came"):
        bench.run(management.inject_nmi(Task(bench.node())))
    assert len(bench.client.sent) == 1


def test_the_log_is_erased_with_a_reservation(bench, management):
    bench.bmc.events = [bytes(16)]
    bench.run(management.clear_sel(Task(bench.node())))
    assert bench.bmc.events == []
    assert bench.client.names() == ["Reserve SEL", "Clear SEL", "Clear SEL"]


def test_a_log_that_is_never_erased_fails_in_time(bench, management):
    bench.bmc.vendor[0x0A, 0x47] = b"\x00"
    began = bench.clock.now
    with pytest.raises(HardwareFailed, match="not erased within 60 s"):
        bench.run(management.clear_sel(Task(bench.node())))
    assert bench.clock.now - began == pytest.approx(60, abs=2)


def test_clearing_and_restarting_are_steps_that_nobody_runs_unasked():
    steps = IpmiManagement.steps("clean")
    assert {name: step.priority for name, step in steps.items()} == {
        "clear_sel": 0,
        "reset_bmc": 0,
    }
    assert IpmiManagement.steps("verify") == {}


def gone(count):
    return [
        errors.Unreachable("192.0.2.1:623", "Get Chassis Status", 1.0, "down")
    ] * count


def test_a_restart_is_over_when_the_bmc_answers_again(bench, management):
    work = management.reset_bmc(Task(bench.node()))
    assert next(work).seconds == 5.0
    bench.client.errors["192.0.2.1"] = gone(20)
    bench.run(work)
    assert bench.bmc.done["Cold Reset"] == 1
    assert [bmc.address for bmc in bench.client.forgotten] == ["192.0.2.1"]
    assert bench.client.errors["192.0.2.1"] == []


def test_a_bmc_that_restarts_without_an_answer_is_judged_by_what_follows(
    bench, management
):
    bench.client.errors["192.0.2.1"] = [
        errors.Unanswered("192.0.2.1:623", "Cold Reset", 10.0, "nothing")
    ]
    bench.run(management.reset_bmc(Task(bench.node()), kind="warm"))
    assert bench.client.names()[-1] == "Get Chassis Status"


def test_a_bmc_that_does_not_come_back_fails_the_restart(bench):
    management = bench.make(
        IpmiManagement, ipmi=IpmiSettings(bmc_reset_timeout=60.0)
    )
    work = management.reset_bmc(Task(bench.node()))
    next(work)
    bench.client.bmcs.clear()
    with pytest.raises(HardwareFailed, match="not come back within 60 s"):
        bench.run(work)


def test_a_restart_that_is_refused_fails_with_the_code(bench, management):
    bench.bmc.codes[6, 2] = 0xC1
    with pytest.raises(HardwareFailed, match="0xc1"):
        bench.run(management.reset_bmc(Task(bench.node())))


def test_an_unknown_kind_of_restart_is_refused(bench, management):
    with pytest.raises(InvalidParameterValue, match="lukewarm"):
        management.reset_bmc(Task(bench.node()), kind="lukewarm")
