# SPDX-License-Identifier: Apache-2.0
"""Power over SSH: what is sent, when it is over, and when it is given up."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import HardwareFailed, HardwareRefused
from baremetal_backend.drivers.ssh.errors import (
    AccessDenied,
    LibvirtUnavailable,
    ProtocolViolation,
    Refused,
    ToolMissing,
    Unfinished,
    UnknownMachine,
    Unreachable,
)
from tests.fakes.libvirt import lost

ON, OFF = "power on", "power off"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("running", ON),
        ("idle", ON),
        ("paused", ON),
        ("in shutdown", ON),
        ("pmsuspended", ON),
        ("crashed", ON),
        ("shut off", OFF),
    ],
)
def test_every_word_of_libvirts_is_a_power_state(bench, word, state):
    bench.machine(on=True).word = word
    assert bench.power.get_power_state(bench.task().node) == state


def test_another_word_is_no_power_state(bench):
    bench.machine(on=True).word = "dancing"
    with pytest.raises(ProtocolViolation, match="'dancing' is no state"):
        bench.power.get_power_state(bench.task().node)


def test_a_shell_that_greets_does_no_harm(bench):
    bench.machine(on=True)
    bench.libvirt.noise = b"Welcome to the host!\n"
    assert bench.power.get_power_state(bench.task().node) == ON
    bench.management.set_boot_device(bench.task(), "pxe", True)
    assert b"network" in bench.libvirt.machines[0].defined


def test_a_machine_is_started_and_its_plug_is_pulled(bench):
    machine, task = bench.machine(), bench.task()
    bench.run(bench.power.set_power_state(task, ON))
    assert machine.running is not None
    bench.run(bench.power.set_power_state(task, OFF))
    assert machine.running is None
    assert bench.libvirt.commands.count("start") == 1
    assert bench.libvirt.commands.count("destroy") == 1


@pytest.mark.parametrize("state", [ON, OFF])
def test_a_machine_that_has_the_state_already_is_fine(bench, state):
    machine = bench.machine(on=state == ON)
    bench.run(bench.power.set_power_state(bench.task(), state))
    assert (machine.running is not None) == (state == ON)
    # It was told all the same: an old reading is not relied upon.
    assert {"start", "destroy"} & set(bench.libvirt.commands)


def test_a_reboot_is_off_and_on(bench):
    machine = bench.machine(on=True)
    bench.run(bench.power.reboot(bench.task()))
    assert (len(machine.starts), machine.resets) == (1, 0)


def test_a_machine_that_must_not_be_off_is_reset(bench):
    machine = bench.machine(on=True)
    bench.run(bench.power.reboot(bench.task(disable_power_off=True)))
    assert (machine.starts, machine.resets) == ([], 1)


def test_a_reset_is_sent_once_even_if_its_answer_is_lost(bench):
    machine = bench.machine(on=True)

    def lose(word):
        if word == "reset":
            raise lost(word)

    bench.libvirt.after = lose
    with pytest.raises(Unfinished):
        bench.run(bench.power.reset(bench.task()))
    assert machine.resets == 1


def test_a_soft_power_off_waits_until_the_machine_is_off(bench):
    machine = bench.machine(on=True)
    machine.stops_after = 5
    pauses = bench.run(bench.power.soft_power_off(bench.task(), 60))
    assert machine.running is None
    assert len(pauses) == 5
    assert bench.libvirt.commands.count("shutdown") == 1


def test_a_machine_that_does_not_shut_down_is_left_running(bench):
    machine = bench.machine(on=True)
    machine.stops_after = None
    began = bench.clock.now
    with pytest.raises(HardwareFailed) as caught:
        bench.run(bench.power.soft_power_off(bench.task(), 60))
    assert bench.clock.now - began == pytest.approx(60)
    assert machine.running is not None
    assert "did not shut down" in caught.value.message
    assert "within 60 s; it last showed power on." in caught.value.message
    assert bench.libvirt.commands.count("shutdown") == 1


def test_a_soft_power_off_of_a_machine_that_is_off_is_over_at_once(bench):
    bench.machine()
    assert bench.run(bench.power.soft_power_off(bench.task(), 60)) == []


def test_a_host_that_is_gone_for_a_while_is_tried_again(bench):
    machine = bench.machine()
    gone = Unreachable("h:22", "connection", "refused")
    bench.libvirt.login_errors = [gone, gone]
    pauses = bench.run(bench.power.set_power_state(bench.task(), ON))
    assert machine.running is not None
    assert pauses == [2.0, 2.0]


def test_a_host_that_stays_away_is_given_up_in_time(bench):
    bench.machine()
    gone = Unreachable("h:22", "connection", "refused")
    bench.libvirt.login_errors = [gone] * 1000
    began = bench.clock.now
    with pytest.raises(Unreachable):
        bench.run(bench.power.set_power_state(bench.task(), ON))
    limit = bench.power.settings.power.power_state_change_timeout
    assert limit <= bench.clock.now - began <= limit + 2


@pytest.mark.parametrize("word", ["start", "destroy"])
def test_a_command_whose_answer_is_lost_is_sent_again(bench, word):
    machine = bench.machine(on=word == "destroy")
    losses = [lost(word)]

    def lose(sent):
        if sent == word and losses:
            raise losses.pop()

    bench.libvirt.after = lose
    state = ON if word == "start" else OFF
    bench.run(bench.power.set_power_state(bench.task(), state))
    assert (machine.running is not None) == (state == ON)


@pytest.mark.parametrize("state", [ON, OFF])
def test_what_libvirt_refuses_is_not_repeated(bench, state):
    bench.machine(on=state == OFF)
    word = "start" if state == ON else "destroy"
    bench.libvirt.codes = {word: 1}
    with pytest.raises(Refused, match=f"virsh {word} failed: error: no"):
        bench.run(bench.power.set_power_state(bench.task(), state))


def test_a_wrong_password_is_not_repeated(bench):
    bench.machine()
    bench.libvirt.login_errors = [AccessDenied("h:22", "login", "refused")]
    with pytest.raises(AccessDenied):
        bench.run(bench.power.set_power_state(bench.task(), ON))
    assert len(bench.libvirt.hosts) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (127, ToolMissing),
        (126, ToolMissing),
        (124, Unfinished),
        (137, Unfinished),
        (1, LibvirtUnavailable),
    ],
)
def test_exit_codes_say_what_went_wrong(bench, code, error):
    bench.machine()
    bench.libvirt.codes = {"list": code}
    with pytest.raises(error):
        bench.power.get_power_state(bench.task().node)


def test_an_unknown_machine_is_named(bench):
    bench.machine("other")
    with pytest.raises(UnknownMachine) as caught:
        bench.run(bench.power.set_power_state(bench.task(), ON))
    assert caught.value.message == (
        "192.0.2.1:22: virsh list failed: the host has no virtual machine "
        "'one' (it has 1 in all)."
    )


def test_a_machine_is_found_by_its_uuid_in_any_spelling(bench):
    machine = bench.machine("other")
    info = bench.task().node.driver_info
    task = bench.task(driver_info=info | {"ssh_vm_name": machine.uuid.upper()})
    bench.run(bench.power.set_power_state(task, ON))
    assert machine.running is not None


def test_a_name_like_the_number_of_a_running_machine_is_a_name(bench):
    # virsh itself would take it for the number.
    other, machine = bench.machine("other", on=True), bench.machine("1")
    info = bench.task().node.driver_info | {"ssh_vm_name": "1"}
    bench.run(bench.power.set_power_state(bench.task(driver_info=info), ON))
    assert machine.running is not None
    assert other.starts == []


def test_the_first_contact_finds_the_machine(bench):
    with pytest.raises(UnknownMachine):
        bench.run(bench.power.verify(bench.task()))
    bench.machine()
    bench.run(bench.power.verify(bench.task()))


def test_the_regular_question_may_block(bench):
    bench.machine()
    assert not bench.power.ask_power_state(bench.task().node, print)


def test_wrong_data_are_refused_before_any_contact(bench):
    task = bench.task(driver_info={})
    with pytest.raises(HardwareRefused):
        bench.power.validate(task.node)
    with pytest.raises(HardwareRefused):
        bench.run(bench.power.set_power_state(task, ON))
    assert bench.libvirt.hosts == []


def test_what_data_meant_is_read_again_when_they_change(bench):
    bench.machine()
    task = bench.task()
    bench.power.get_power_state(task.node)
    info = task.node.driver_info | {"ssh_address": "192.0.2.2"}
    bench.power.get_power_state(bench.task(driver_info=info).node)
    bench.power.forget(task.node)
    assert [host.address for host in bench.libvirt.hosts] == [
        "192.0.2.1",
        "192.0.2.2",
    ]
