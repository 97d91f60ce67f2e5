# SPDX-License-Identifier: Apache-2.0
"""The controllers of the lab, asked by a tool that somebody else wrote."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ipmi import witness
from lab.ipmi.farm import Farm
from lab.ipmi.faults import BLACKHOLE
from lab.ipmi.proxy import Proxies
from lab.ipmi.pyghmi_bmc import PyghmiBmc
from lab.ipmi.scripted import ScriptedBmc
from lab.ipmi.serial_line import SerialLine
from lab.ipmi.target import OPERATOR, USER, Account, silent
from lab.ipmi.witness import IpmitoolFailed, ipmitool
from lab.processes import CHECKOUT
from lab.waiting import wait_for

HARD_RESET = "00.02 03"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    directory = tmp_path_factory.mktemp("farm")
    with Farm(directory, 3, own_process=True) as farm:
        yield farm


@pytest.fixture(scope="module")
def scripted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ScriptedBmc]:
    with ScriptedBmc(tmp_path_factory.mktemp("scripted")) as bmc:
        yield bmc


def test_a_farm_says_the_truth_about_itself(farm: Farm) -> None:
    for bmc in farm:
        assert witness.is_on(bmc.target) == bmc.is_on == (bmc.number == 0)


def test_a_farm_keeps_a_journal_of_what_it_did(farm: Farm) -> None:
    bmc = farm[1]
    ipmitool(bmc.target, "power", "on")
    ipmitool(bmc.target, "power", "reset")
    ipmitool(bmc.target, "chassis", "bootdev", "pxe")
    assert bmc.journal[-3:] == ["power 1", "reset 1", "boot pxe"]
    assert bmc.is_on
    bmc.restart()
    assert witness.is_on(bmc.target)


def test_a_controller_of_a_farm_can_misbehave(farm: Farm) -> None:
    bmc = farm[2]
    bmc.is_on = True
    bmc.ignore_shutdown()
    ipmitool(bmc.target, "power", "soft")
    assert bmc.is_on
    bmc.lie(False)
    assert not witness.is_on(bmc.target)
    bmc.lie(None)
    bmc.late(0.5)
    ipmitool(bmc.target, "power", "off")
    assert witness.is_on(bmc.target)
    wait_for(lambda: not bmc.is_on, 5, "late power off", every=0.05)
    bmc.refuse()
    with pytest.raises(IpmitoolFailed, match="Up/On failed"):
        ipmitool(bmc.target, "power", "on")


def test_a_stopped_controller_is_silent(farm: Farm) -> None:
    farm[0].stop()
    assert silent([bmc.target for bmc in farm], 0.5) == [farm[0].target]
    farm[0].cont()
    assert not silent([bmc.target for bmc in farm], 5)


def test_other_users_of_a_farm_may_less(farm: Farm) -> None:
    operator, user = (farm[0].target.as_(one) for one in (OPERATOR, USER))
    assert witness.is_on(operator) == witness.is_on(user) == farm[0].is_on
    with pytest.raises(IpmitoolFailed, match="nsufficient privilege"):
        ipmitool(user, "power", "on")


def test_three_hundred_cheap_ones_are_two_processes(tmp_path: Path) -> None:
    with Farm(tmp_path, 300, cheap=True) as farm:
        assert len(farm.pids) == 2
        truth = farm.truth()
        assert [number for number in truth if truth[number]] == [
            *range(0, 300, 3)
        ]
        for number in (249, 250, 299):
            bmc = farm[number]
            ipmitool(bmc.target, "power", "on")
            assert witness.is_on(bmc.target)
            assert bmc.is_on
        assert farm.truth() == truth | {249: True, 250: True, 299: True}


def test_a_farm_on_ipv6(tmp_path: Path) -> None:
    with Farm(tmp_path, 1, address="::1") as farm:
        assert witness.is_on(farm[0].target)


def test_the_console_of_a_farm_is_a_tcp_port(tmp_path: Path) -> None:
    with (
        SerialLine(echo=True) as line,
        Farm(tmp_path, 1, serial_lines=[line.port]) as farm,
    ):
        shown = console_of(farm[0].target.port, "abc", "hello", line)
    assert "hello" in shown
    assert "abc" in shown
    assert line.typed == b"abc"


def console_of(port: int, keys: str, text: str, line: SerialLine) -> str:
    """What ipmitool shows while the machine prints."""
    command = (
        f"ipmitool -I lanplus -C 3 -H 127.0.0.1 -p {port} -U admin -P secret"
        " sol activate"
    )
    # On a terminal, or what it shows waits in a buffer.
    ours, its = os.openpty()
    tool = subprocess.Popen(
        shlex.split(command), stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    try:
        shown = _until(ours, "operational")
        line.write(text.encode())
        shown += _until(ours, text)
        os.write(ours, keys.encode())
        return shown + _until(ours, keys)
    finally:
        tool.kill()
        tool.wait(10)
        os.close(ours)


def _until(terminal: int, wanted: str) -> str:
    shown = b""
    while wanted.encode() not in shown:
        assert select.select([terminal], (), (), 10)[0], shown
        shown += os.read(terminal, 4096)
    return shown.decode()


def test_a_proxy_passes_everything_on_or_nothing(
    farm: Farm, tmp_path: Path
) -> None:
    with Proxies(tmp_path, [bmc.target for bmc in farm]) as proxies:
        states = [witness.is_on(proxy.target) for proxy in proxies]
        assert states == [bmc.is_on for bmc in farm]
        before = proxies[1].counts()
        assert before.requests == before.replies > 4
        assert before.logins == 1
        proxies[1].spoil(BLACKHOLE)
        assert silent([proxy.target for proxy in proxies], 0.5) == [
            proxies[1].target
        ]
        assert proxies[1].counts().lost > 0
        proxies[1].spoil()
        proxies[1].turn_to(farm[0].port)
        assert witness.is_on(proxies[1].target) == farm[0].is_on


@pytest.mark.parametrize("suite", [3, 17])
def test_a_scripted_controller_speaks_both_suites(
    scripted: ScriptedBmc, suite: int
) -> None:
    scripted.is_on = False
    target = scripted.target
    assert not witness.is_on(target, suite)
    ipmitool(target, "power", "on", cipher_suite=suite)
    assert scripted.is_on
    assert witness.is_on(target, suite)
    before = scripted.count(HARD_RESET)
    ipmitool(target, "power", "reset", cipher_suite=suite)
    assert scripted.count(HARD_RESET) == before + 1
    assert scripted.sessions == 0


def test_a_scripted_controller_keeps_boot_flags(scripted: ScriptedBmc) -> None:
    ipmitool(scripted.target, "chassis", "bootdev", "pxe", "options=efiboot")
    shown = ipmitool(scripted.target, "chassis", "bootparam", "get", "5")
    assert "BIOS EFI boot" in shown
    assert "only next boot" in shown
    assert scripted.boot_flags == bytes([0xA0, 4, 0, 0, 0])


def test_a_scripted_controller_counts_its_sessions(
    scripted: ScriptedBmc,
) -> None:
    scripted.script(max_sessions=0)
    with pytest.raises(IpmitoolFailed, match="insufficient resources"):
        witness.is_on(scripted.target)
    scripted.script(max_sessions=4)
    witness.is_on(scripted.target)


def test_a_scripted_controller_knows_its_user(scripted: ScriptedBmc) -> None:
    for account in (Account("admin", "wrong"), Account("eve", "secret")):
        with pytest.raises(IpmitoolFailed, match="Unable to establish"):
            witness.is_on(scripted.target.as_(account))
    scripted.script(privilege=2)
    with pytest.raises(IpmitoolFailed, match="Unable to establish"):
        witness.is_on(scripted.target)
    scripted.script(privilege=4)
    assert witness.is_on(scripted.target) == scripted.is_on


def test_pyghmis_own_controller_answers(tmp_path: Path) -> None:
    with PyghmiBmc(tmp_path) as bmc:
        assert not witness.is_on(bmc.target)
        ipmitool(bmc.target, "power", "on")
        assert witness.is_on(bmc.target)
        assert bmc.journal == ["on"]


def test_the_command_says_how_to_enrol_and_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "lab.ipmi", "--user", "root", "-n", "2"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout
        lines = [command.stdout.readline() for _ in range(2)]
        command.send_signal(signal.SIGTERM)
        assert command.wait(20) == 0
    words = shlex.split(lines[1])
    assert words[:6] == shlex.split(
        "openstack baremetal node create --driver ipmi"
    )
    assert "ipmi_username=root" in words
    assert any(word.startswith("ipmi_port=") for word in words)
