# SPDX-License-Identifier: Apache-2.0
"""A real machine to inspect: qemu, switched by the controller of ipmi_sim.

It has two NICs and two disks. Its firmware boots from the first NIC when the
controller was told so for that start, else from the first disk, which is
empty; without that order the NIC can't boot, having no ROM. The network is
qemu's own, in user mode: DHCP, TFTP and a way to the host's loopback, and
nothing of the host is changed. Software emulation only, so that it is the
same everywhere.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from lab.inspection import ramdisk
from lab.inspection.ramdisk import BOOTFILE
from lab.ipmi.farm import Farm
from lab.ipmi.target import Target
from lab.processes import Crew
from lab.waiting import wait_for

#: Program or file to the Debian package that has it.
DEBIAN_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "/usr/lib/ipxe/qemu/efi-virtio.rom": "ipxe-qemu",
    **ramdisk.DEBIAN_PACKAGES,
}

CHASSIS = Path(__file__).with_name("chassis")

#: The host's loopback interface, as a machine sees it.
HOST = "10.0.2.2"

_GIB = 1024**3


def missing_packages() -> list[str]:
    """Debian packages that are needed and not there."""
    return sorted(
        {
            package
            for need, package in DEBIAN_PACKAGES.items()
            if shutil.which(need) is None and not Path(need).exists()
        }
    )


@dataclass(frozen=True)
class Build:
    """What the machine is made of: what an inspection must find."""

    cpus: int = 2
    memory_mb: int = 768
    #: Sizes, GiB; the first is where it boots from, if not from the network.
    disks: tuple[int, ...] = (20, 32)
    macs: tuple[str, ...] = ("52:54:00:00:3a:01", "52:54:00:00:3a:02")
    serial: str = "LAB-0001"

    @property
    def properties(self) -> dict[str, str]:
        """What the inspector writes to the node."""
        return {
            "cpus": str(self.cpus),
            "cpu_arch": "x86_64",
            "memory_mb": str(self.memory_mb),
            # The smallest disk, less what partitioning may take.
            "local_gb": str(min(self.disks) - 1),
        }


class Machine:
    """One machine and its controller; owned by one thread.

    :param crew: who owns the processes
    :param callback_port: of the service on the host's loopback interface that
        the ramdisk is to report to
    """

    def __init__(
        self,
        crew: Crew,
        callback_port: int,
        build: Build | None = None,
        name: str = "machine",
    ) -> None:
        missing = missing_packages()
        if missing:
            raise RuntimeError(
                f"a machine needs Debian's packages: {' '.join(missing)}"
            )
        self.build = build or Build()
        here = crew.state_dir / name
        here.mkdir()
        self._tftp = here / "tftp"
        self._callback = f"http://{HOST}:{callback_port}/v1/continue"
        self.console = here / "console.log"
        self._farm = Farm(
            here / "controller",
            1,
            is_on=lambda number: False,
            crew=crew,
            script=CHASSIS.read_text(),
        )
        self._bmc = self._farm[0]
        assert self._bmc.directory is not None
        self._directory = self._bmc.directory
        for number, size in enumerate(self.build.disks):
            with (here / f"disk{number}").open("wb") as disk:
                # Takes no room on the host until it is written.
                disk.truncate(size * _GIB)
        start = self._directory / "start"
        start.write_text(self._start_script(here))
        start.chmod(0o755)

    @property
    def target(self) -> Target:
        """Where its controller answers."""
        return self._bmc.target

    @property
    def driver_info(self) -> dict[str, object]:
        """For a node of hardware type ipmi."""
        return self._bmc.driver_info

    @property
    def journal(self) -> list[str]:
        """What the controller did: ``boot pxe``, ``power 1``, ``start pxe``.

        ``start`` says what the machine really booted from.
        """
        return self._bmc.journal

    @property
    def pid(self) -> int | None:
        """Of its process; None: it is off."""
        try:
            pid = int((self._directory / "pid").read_text())
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (OSError, ValueError):
            return None
        name, state = stat.partition("(")[2].rpartition(") ")[::2]
        alive = name.startswith("qemu") and state[0] not in "ZX"
        return pid if alive else None

    @property
    def is_on(self) -> bool:
        """Whether its process lives; nobody is asked by IPMI."""
        return self.pid is not None

    def start_controller(self) -> None:
        """Build the ramdisk, and let the controller answer.

        The machine stays off.

        :raises RamdiskFailed: a package can't be had
        """
        ramdisk.build(self._tftp, self._callback)
        self._farm.start()

    def console_text(self) -> str:
        """All that it has written to its serial console, in all its lives."""
        if not self.console.exists():
            return ""
        return self.console.read_text(errors="replace").replace("\r", "")

    def said(self) -> list[str]:
        """What the ramdisk said on the console, in whole lines."""
        whole, _, _ = self.console_text().rpartition("\n")
        return [
            line.partition(": ")[2]
            for line in whole.splitlines()
            if line.startswith("inspection: ")
        ]

    def wait_said(self, text: str, seconds: float = 120.0) -> list[str]:
        """Wait until the ramdisk says something; the lines that have it.

        :raises TimedOut: it does not
        """
        return wait_for(
            lambda: [line for line in self.said() if text in line],
            seconds,
            f"{text!r} on the machine's console",
        )

    def forget(self) -> None:
        """Begin an empty journal and an empty console; it must be off."""
        if self.is_on:
            raise RuntimeError("the machine is on")
        self.console.unlink(missing_ok=True)
        (self._directory / "journal").unlink(missing_ok=True)

    def wait_off(self, seconds: float = 30.0) -> None:
        """Wait until it is switched off.

        :raises TimedOut: it stays on
        """
        wait_for(lambda: not self.is_on, seconds, "end of the machine")

    def hang(self) -> None:
        """SIGSTOP: it is on, and does nothing any more.

        :raises RuntimeError: it is off
        """
        pid = self.pid
        if pid is None:
            raise RuntimeError("the machine is off")
        os.kill(pid, signal.SIGSTOP)

    def _start_script(self, here: Path) -> str:
        """What becomes the machine: ``start DEVICE``."""
        frame = [
            "qemu-system-x86_64",
            *("-name", here.name, "-machine", "pc,accel=tcg"),
            *("-smp", str(self.build.cpus), "-m", str(self.build.memory_mb)),
            *("-smbios", f"type=1,serial={self.build.serial}"),
            *("-no-user-config", "-nodefaults", "-display", "none"),
            *("-chardev", f"file,id=console,path={self.console},append=on"),
            *("-serial", "chardev:console"),
            *(
                "-netdev",
                f"user,id=net0,tftp={self._tftp},bootfile={BOOTFILE}",
            ),
        ]
        others: list[str] = []
        for number, mac in enumerate(self.build.macs[1:], 1):
            nic = f"net{number}"
            others += [
                *("-netdev", f"user,id={nic},restrict=on"),
                *(
                    "-device",
                    f"virtio-net-pci,netdev={nic},mac={mac},romfile=",
                ),
            ]
        for number in range(len(self.build.disks)):
            disk = f"disk{number}"
            others += [
                *(
                    "-drive",
                    f"if=none,id={disk},format=raw,file={here / disk}",
                ),
                "-device",
                f"virtio-blk-pci,drive={disk},serial={disk},"
                f"bootindex={number + 2}",
            ]
        first = f"virtio-net-pci,netdev=net0,mac={self.build.macs[0]}"
        return (
            f"#!/bin/sh\nfirst={shlex.quote(first)}\n"
            'case $1 in\npxe) first="$first,bootindex=1" ;;\n'
            '*) first="$first,romfile=" ;;\nesac\n'
            f'exec {shlex.join(frame)} -device "$first" {shlex.join(others)}\n'
        )
