# SPDX-License-Identifier: Apache-2.0
"""The chassis of a virtual machine: what ipmi_sim's commands come to.

A program that waits stands for qemu.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.inspection.machine import CHASSIS
from lab.waiting import wait_for

SECONDS = 10.0
START = """\
#!/bin/sh
exec ./qemu-stand-in 1000
"""


class Chassis:
    """A machine's directory, and the commands that ipmi_sim would give."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "boot").write_text("default\n")
        shutil.copy("/bin/sleep", directory / "qemu-stand-in")
        self.start_with(START)

    def start_with(self, script: str) -> None:
        """What becomes the machine."""
        (self.directory / "start").write_text(script)
        (self.directory / "start").chmod(0o755)

    def command(self, *words: str) -> str:
        """Give a command."""
        done = subprocess.run(
            [CHASSIS, self.directory, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        return done.stdout.strip()

    @property
    def is_on(self) -> bool:
        return self.command("get", "power") == "power:1"

    @property
    def pid(self) -> int:
        return int((self.directory / "pid").read_text())

    @property
    def starts(self) -> list[str]:
        lines = (self.directory / "journal").read_text().splitlines()
        return [line for line in lines if line.startswith("start ")]

    def wait_off(self) -> None:
        wait_for(lambda: not self.is_on, SECONDS, "end", every=0.02)


@pytest.fixture
def chassis(tmp_path: Path) -> Iterator[Chassis]:
    one = Chassis(tmp_path)
    yield one
    one.command("set", "power", "0")
    one.wait_off()


def test_it_is_on_as_long_as_the_process_lives(chassis: Chassis) -> None:
    assert not chassis.is_on

    chassis.command("set", "power", "1")

    assert chassis.is_on
    os.kill(chassis.pid, signal.SIGTERM)
    chassis.wait_off()


def test_a_boot_device_is_for_one_start(chassis: Chassis) -> None:
    chassis.command("set", "boot", "pxe")
    assert chassis.command("get", "boot") == "boot:pxe"

    for _ in range(2):
        chassis.command("set", "power", "1")
        chassis.command("set", "power", "0")
        chassis.wait_off()

    assert chassis.starts == ["start pxe", "start default"]


def test_what_is_on_is_not_started_again(chassis: Chassis) -> None:
    chassis.command("set", "power", "1")
    pid = chassis.pid
    chassis.command("set", "boot", "pxe")

    chassis.command("set", "power", "1")

    assert chassis.pid == pid
    assert chassis.starts == ["start default"]
    assert chassis.command("get", "boot") == "boot:pxe"


def test_a_machine_that_hangs_is_on_and_can_be_cut(chassis: Chassis) -> None:
    chassis.command("set", "power", "1")
    os.kill(chassis.pid, signal.SIGSTOP)
    assert chassis.is_on

    chassis.command("set", "power", "0")

    chassis.wait_off()


def test_a_reset_is_another_process_and_takes_the_boot_device(
    chassis: Chassis,
) -> None:
    chassis.command("set", "power", "1")
    pid = chassis.pid
    chassis.command("set", "boot", "pxe")

    chassis.command("set", "reset", "1")

    assert chassis.is_on
    assert chassis.pid != pid
    assert chassis.starts == ["start default", "start pxe"]


def test_a_machine_that_is_off_can_not_be_reset(chassis: Chassis) -> None:
    chassis.command("set", "reset", "1")

    assert not chassis.is_on


def test_a_soft_shutdown_ends_it(chassis: Chassis) -> None:
    chassis.command("set", "power", "1")

    chassis.command("set", "shutdown", "1")

    chassis.wait_off()


def test_a_machine_that_can_not_start_is_off(chassis: Chassis) -> None:
    chassis.start_with("#!/bin/sh\nexit 1\n")

    chassis.command("set", "power", "1")

    chassis.wait_off()


def test_a_pid_that_another_program_got_is_not_the_machine(
    chassis: Chassis,
) -> None:
    (chassis.directory / "pid").write_text(f"{os.getpid()}\n")

    assert not chassis.is_on
    chassis.command("set", "power", "0")
