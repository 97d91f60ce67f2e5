# SPDX-License-Identifier: Apache-2.0
"""Boot devices of virtual machines, for good and for one boot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_backend.core.errors import (
    HardwareFailed,
    HardwareRefused,
    InvalidParameterValue,
    UnsupportedDriverExtension,
)
from baremetal_backend.drivers.ssh import boot_order
from tests.backend.drivers.ssh.conftest import Bench
from tests.fakes.libvirt import definition, lost

ON, OFF = "power on", "power off"
NUMBERED = definition(
    devices='<disk device="disk"><boot order="1"/></disk>'
    '<interface><boot order="2"/></interface>'
)


class Killed(BaseException):
    """The conductor died."""


def kinds(xml: bytes) -> list[str]:
    return boot_order.order(xml)["kinds"]


def put_once(bench: Bench, task: Any, device: str = "pxe") -> None:
    bench.run(bench.management.set_boot_device(task, device, False))


def switch(bench: Bench, task: Any, *states: str) -> None:
    for state in states:
        bench.run(bench.power.set_power_state(task, state))


def test_a_device_for_good_comes_first_from_now_on(bench):
    machine, task = bench.machine(), bench.task()
    bench.run(bench.management.set_boot_device(task, "pxe", True))
    assert kinds(machine.defined) == ["network", "hd"]
    assert bench.management.get_boot_device(task.node) == ("pxe", True)
    bench.run(bench.management.set_boot_device(task, "disk", True))
    assert kinds(machine.defined) == ["hd", "network"]
    switch(bench, task, ON)
    assert [kinds(one) for one in machine.starts] == [["hd", "network"]]


def test_a_device_that_is_first_already_changes_nothing(bench):
    bench.machine()
    bench.run(bench.management.set_boot_device(bench.task(), "disk", True))
    assert "define" not in bench.libvirt.commands


def test_a_device_for_one_boot_holds_for_one_boot(bench):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task)
    assert bench.libvirt.commands == []
    assert bench.management.get_boot_device(task.node) == ("pxe", False)
    switch(bench, task, ON)
    assert kinds(machine.defined) == ["hd"]
    assert bench.management.get_boot_device(task.node) == ("disk", True)
    switch(bench, task, OFF, ON)
    assert [kinds(one) for one in machine.starts] == [
        ["network", "hd"],
        ["hd"],
    ]
    assert task.node.driver_internal_info == {}


def test_it_holds_over_a_reboot_which_is_off_and_on(bench):
    machine, task = bench.machine(on=True), bench.task()
    put_once(bench, task)
    bench.run(bench.power.reboot(task))
    assert [kinds(one) for one in machine.starts] == [["network", "hd"]]


def test_it_is_not_used_up_by_a_machine_that_was_on(bench):
    machine, task = bench.machine(on=True), bench.task()
    put_once(bench, task)
    switch(bench, task, ON)
    assert bench.management.get_boot_device(task.node) == ("pxe", False)
    assert kinds(machine.defined) == ["hd"]


def test_it_is_not_used_up_by_a_start_that_libvirt_refuses(bench):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task)
    bench.libvirt.codes = {"start": 1}
    with pytest.raises(HardwareFailed):
        switch(bench, task, ON)
    assert kinds(machine.defined) == ["hd"]
    bench.libvirt.codes = {}
    switch(bench, task, ON)
    assert [kinds(one) for one in machine.starts] == [["network", "hd"]]


def test_a_device_for_good_ends_one_for_one_boot(bench):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task, "cdrom")
    bench.run(bench.management.set_boot_device(task, "pxe", True))
    switch(bench, task, ON)
    assert [kinds(one) for one in machine.starts] == [["network", "hd"]]


def test_numbers_of_single_devices_are_put_back_as_they_were(bench):
    machine, task = bench.machine(), bench.task()
    machine.defined = NUMBERED
    put_once(bench, task)
    switch(bench, task, ON)
    [started] = machine.starts
    assert boot_order.order(started) == {
        "kinds": ["network", "hd"],
        "numbered": [],
    }
    assert boot_order.order(machine.defined) == boot_order.order(NUMBERED)


@pytest.mark.parametrize("xml", [b"<domain", b"<domains/>", b"<domain/>"])
def test_a_definition_that_makes_no_sense_is_left_alone(bench, xml):
    machine, task = bench.machine(), bench.task()
    machine.defined = xml
    with pytest.raises(HardwareFailed):
        bench.run(bench.management.set_boot_device(task, "pxe", True))
    assert machine.defined == xml


def test_entities_are_not_expanded(bench):
    machine, task = bench.machine(), bench.task()
    machine.defined = (
        b'<!DOCTYPE d [<!ENTITY e SYSTEM "/etc/passwd">]>'
        b"<domain><os>&e;</os></domain>"
    )
    # libvirt's answer begins with its first element: what is before it is
    # taken for the greeting of a shell, and the entity is unknown.
    with pytest.raises(HardwareFailed, match="can't be used"):
        bench.run(bench.management.set_boot_device(task, "pxe", True))


def test_an_unknown_device_is_refused_with_those_that_there_are(bench):
    with pytest.raises(InvalidParameterValue, match="pxe, disk, cdrom"):
        bench.management.set_boot_device(bench.task(), "bios", True)
    assert bench.management.boot_devices(bench.task().node) == (
        "pxe",
        "disk",
        "cdrom",
    )


def test_a_machine_that_is_never_off_takes_none_for_one_boot(bench):
    machine, task = bench.machine(), bench.task(disable_power_off=True)
    with pytest.raises(HardwareRefused, match="for good"):
        bench.management.set_boot_device(task, "pxe", False)
    bench.run(bench.management.set_boot_device(task, "pxe", True))
    assert kinds(machine.defined) == ["network", "hd"]


def test_an_interrupt_is_sent_once(bench):
    machine = bench.machine(on=True)
    bench.run(bench.management.inject_nmi(bench.task()))
    assert machine.interrupts == 1


def test_what_libvirt_has_no_command_for_is_refused(bench):
    with pytest.raises(UnsupportedDriverExtension):
        bench.management.set_boot_mode(bench.task(), "uefi")


# -- a conductor that dies ----------------------------------------------------

# What is sent to switch on a machine with a device for one boot.
SENT = (
    "list",
    "dumpxml",
    "define",
    "start",
    "dumpxml",
    "define",
    "domstate",
)


def test_these_are_the_commands_of_a_start_with_a_device(bench):
    bench.machine()
    task = bench.task()
    put_once(bench, task)
    switch(bench, task, ON)
    assert tuple(bench.libvirt.commands) == SENT


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(len(SENT)))
def test_whoever_comes_next_puts_back_what_a_dead_conductor_left(
    bench, step, after
):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task)
    sent: list[str] = []

    def die(word: str) -> None:
        sent.append(word)
        if len(sent) == step + 1:
            raise Killed

    hook = "after" if after else "before"
    setattr(bench.libvirt, hook, die)
    with pytest.raises(Killed):
        switch(bench, task, ON)
    setattr(bench.libvirt, hook, lambda word: None)
    successor = Bench()
    successor.libvirt = bench.libvirt
    for one in (successor.power, successor.management):
        one.client = bench.libvirt
    always = successor.management.get_boot_device(task.node)
    begun = "put_back" in task.node.driver_internal_info.get(
        "ssh_boot_once", {}
    )
    if begun or not task.node.driver_internal_info:
        assert always == ("disk", True)
    else:
        assert always == ("pxe", False)
    switch(successor, task, OFF, ON, OFF, ON)
    assert kinds(machine.defined) == ["hd"]
    assert task.node.driver_internal_info == {}
    booted = [kinds(one)[0] for one in machine.starts]
    # Once at most, and the last one is as always.
    assert booted.count("network") <= 1
    assert booted[-1] == "hd"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(len(SENT)))
def test_a_session_that_is_lost_anywhere_costs_neither_device_nor_order(
    bench, step, after
):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task)
    sent: list[str] = []

    def lose(word: str) -> None:
        sent.append(word)
        if len(sent) == step + 1:
            raise lost(word)

    setattr(bench.libvirt, "after" if after else "before", lose)
    switch(bench, task, ON)
    assert [kinds(one) for one in machine.starts] == [["network", "hd"]]
    assert kinds(machine.defined) == ["hd"]
    assert task.node.driver_internal_info == {}


def test_what_was_left_on_one_machine_is_not_put_onto_another(bench):
    machine, task = bench.machine(), bench.task()
    put_once(bench, task)

    def die(word: str) -> None:
        if word == "start":
            raise Killed

    bench.libvirt.before = die
    with pytest.raises(Killed):
        switch(bench, task, ON)
    bench.libvirt.before = lambda word: None
    # The node is another machine now.
    machine.uuid = machine.uuid.replace("0000-4", "1111-4")
    machine.defined = definition("cdrom")
    assert bench.management.get_boot_device(task.node) == ("cdrom", True)
    switch(bench, task, ON)
    assert kinds(machine.defined) == ["cdrom"]
    assert task.node.driver_internal_info == {}


_CALLS = st.lists(
    st.sampled_from(
        [
            ("on", None),
            ("off", None),
            ("once", "pxe"),
            ("once", "cdrom"),
            ("good", "pxe"),
            ("good", "disk"),
            ("die", 1),
            ("die", 2),
            ("die", 3),
            ("die", 4),
            ("die", 6),
        ]
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(calls=_CALLS, numbered=st.booleans())
def test_after_any_calls_and_deaths_the_order_is_what_was_set_for_good(
    calls: list[tuple[str, Any]], numbered: bool
) -> None:
    bench = Bench()
    machine, task = bench.machine(), bench.task()
    if numbered:
        machine.defined = NUMBERED
    wanted = "disk"
    fuse = [0]

    def burn(word: str) -> None:
        fuse[0] -= 1
        if fuse[0] == 0:
            raise Killed

    bench.libvirt.after = burn
    for call, value in calls:
        if call == "die":
            fuse[0] = value
            continue
        try:
            if call in ("on", "off"):
                switch(bench, task, f"power {call}")
            else:
                bench.run(
                    bench.management.set_boot_device(
                        task, value, call == "good"
                    )
                )
        except Killed:
            if call == "good":
                fuse[0] = 0
                bench.run(bench.management.set_boot_device(task, value, True))
        if call == "good":
            wanted = value
    fuse[0] = 0
    switch(bench, task, OFF, ON, OFF, ON)
    assert boot_order.first(machine.defined) == wanted
    assert boot_order.first(machine.starts[-1]) == wanted
    assert task.node.driver_internal_info == {}
