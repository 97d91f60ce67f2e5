# SPDX-License-Identifier: Apache-2.0
"""A process per command: its deadline, its secrets, its turn."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import HardwareFailed, HardwareRefused
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.ipmi import errors
from baremetal_backend.drivers.ipmi.bmc import Secret
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    Response,
)
from baremetal_backend.drivers.ipmi.ipmitool.client import IpmitoolClient
from baremetal_backend.drivers.ipmi.ipmitool.command_line import ToolBmc
from baremetal_backend.drivers.ipmi.ipmitool.interfaces import IpmitoolPower
from baremetal_backend.storage import DatabaseOptions
from tests.backend.running import until

BMC = ToolBmc(
    address="192.0.2.1",
    username=b"admin",
    password=Secret(b"hunter-2"),
    cipher_suites=(17, 3),
)


@pytest.fixture
def tool(tmp_path):
    """Makes a script that stands for ipmitool; its client."""
    made = []

    def make(script: str) -> IpmitoolClient:
        program = tmp_path / "ipmitool"
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        settings = Settings(
            "h",
            "/tmp",
            DatabaseOptions("sqlite://"),
            ipmi=IpmiSettings(command_retry_timeout=5.0),
        )
        client = IpmitoolClient(settings)
        client.program = str(program)
        client.start()
        made.append(client)
        return client

    yield make
    for client in made:
        client.stop()


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split()[2] != "Z"


def test_an_answer_is_what_was_printed(tool):
    client = tool("echo ' 01 00 40'")
    assert client.call(BMC, CHASSIS_STATUS) == Response(b"\x01\x00\x40")
    assert client.submit(BMC, CHASSIS_STATUS).result(5).data[0] == 1
    found = []
    client.ask(BMC, CHASSIS_STATUS, 5.0, found.append)
    client.submit(BMC, CHASSIS_STATUS).result(5)
    assert found[0].outcome == Response(b"\x01\x00\x40")


def test_the_password_is_in_a_file_that_is_gone_afterwards(tool, tmp_path):
    client = tool(
        'while [ "$1" != -f ]; do shift; done\n'
        'cat "$2" >password; stat -Lc %a "$2" >mode; env >env; echo 01'
    )
    client.call(BMC, CHASSIS_STATUS)
    assert (tmp_path / "password").read_text() == "hunter-2"
    assert (tmp_path / "mode").read_text() == "600\n"
    assert "hunter-2" not in (tmp_path / "env").read_text()
    count = len(os.listdir("/proc/self/fd"))
    client.call(BMC, CHASSIS_STATUS)
    assert len(os.listdir("/proc/self/fd")) == count


def test_a_tool_that_hangs_is_killed_with_its_children(tool, tmp_path):
    client = tool("sleep 300 & echo $! >child; echo $$ >pid; wait")
    began = time.monotonic()
    with pytest.raises(errors.Unreachable, match="no answer"):
        client.call(BMC, CHASSIS_STATUS, 0.5)
    assert time.monotonic() - began < 4
    for name in ("child", "pid"):
        assert not alive(int((tmp_path / name).read_text()))


def test_a_reset_that_hangs_is_told_apart(tool):
    client = tool("exec sleep 300")
    with pytest.raises(errors.Unanswered):
        client.call(BMC, HARD_RESET, 0.4)


def test_the_next_suite_is_tried_and_the_good_one_remembered(tool, tmp_path):
    client = tool(
        'echo "$@" >>calls\n'
        'case "$*" in *"-C 17"*) echo "Error in open session response '
        'message : invalid authentication algorithm" >&2; exit 1;; esac\n'
        "echo 01"
    )
    client.call(BMC, CHASSIS_STATUS)
    client.call(BMC, CHASSIS_STATUS)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert ["-C 17" in one for one in calls] == [True, False, False]


def test_one_command_at_a_time_goes_to_a_bmc(tool, tmp_path):
    client = tool(
        "mkdir lock || touch overlap; sleep 0.1; rmdir lock; echo 01"
    )
    futures = [client.submit(BMC, CHASSIS_STATUS) for _ in range(4)]
    for future in futures:
        assert future.result(10).data == b"\x01"
    assert not (tmp_path / "overlap").exists()


def test_a_command_does_not_wait_for_its_turn_without_end(tool):
    client = tool("sleep 1; echo 01")
    first = client.submit(BMC, CHASSIS_STATUS)
    time.sleep(0.2)
    with pytest.raises(errors.Unreachable, match="others' commands"):
        client.call(BMC, CHASSIS_STATUS, 0.3)
    assert first.result(10).data == b"\x01"


def test_a_stop_ends_what_runs_and_begins_nothing(tool, tmp_path):
    client = tool("echo $$ >pid; exec sleep 300")
    future = client.submit(BMC, CHASSIS_STATUS)
    until((tmp_path / "pid").exists, 5, "the tool to run")
    began = time.monotonic()
    client.stop()
    with pytest.raises(errors.Unreachable):
        future.result(5)
    assert time.monotonic() - began < 3
    with pytest.raises(errors.Unreachable, match="the service stops"):
        client.call(BMC, CHASSIS_STATUS)


def test_what_waits_for_a_thread_at_the_stop_is_told(tool):
    client = tool("sleep 30")
    answers = []
    waits = [client.submit(BMC, CHASSIS_STATUS) for _ in range(30)]
    client.ask(BMC, CHASSIS_STATUS, 5.0, answers.append)

    client.stop()

    for one in waits:
        assert isinstance(one.exception(5), errors.Unreachable)
    until(lambda: answers, 5, "the last answer")
    assert isinstance(answers[0].outcome, errors.Unreachable)


def test_a_missing_program_is_said_by_validate_and_by_the_call(tool, tmp_path):
    client = tool("")
    power = IpmitoolPower(client.settings, client)
    node = Node(
        uuid="u", driver="ipmi", driver_info={"ipmi_address": "192.0.2.1"}
    )
    power.validate(node)
    (tmp_path / "ipmitool").unlink()
    with pytest.raises(HardwareFailed, match="can't start it"):
        power.get_power_state(node)
    client.program = None
    with pytest.raises(HardwareRefused, match="there is no program ipmitool"):
        power.validate(node)


def test_very_many_nodes_are_not_asked_by_processes(tool):
    client = tool("echo 01")
    power = IpmitoolPower(client.settings, client)
    node = Node(
        uuid="u", driver="ipmi", driver_info={"ipmi_address": "192.0.2.1"}
    )
    assert power.ask_power_state(node, lambda reading: None) is False
    assert power.get_power_state(node) == "power on"
