# SPDX-License-Identifier: Apache-2.0
"""Machines as an inspection ramdisk sees them, and what it reports.

A report is what ironic-python-agent posts to ``/v1/continue`` after it has
booted: the same keys, with values of a plausible server that follow from its
number, so that each machine differs from all others and is the same each
time. Nothing boots here.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lab.inspection.inspector import Answer, Inspector

Report = dict[str, Any]

GIB = 1024**3

#: Processor flags that ironic-inspector makes capabilities of, and others.
_FLAGS = ("fpu", "vmx", "aes", "pdpe1gb", "pse", "smx", "sse4_2", "avx2")

#: Most reports that are on their way at the same time.
_PARALLEL = 50


@dataclass(frozen=True)
class Hardware:
    """One server: two network cards, two disks.

    :param number: tells it from the others; below 65536
    :param bmc_address: what its controller says of itself; None: it has
        none, as a virtual machine
    :param disk: bytes of its root disk
    """

    number: int
    bmc_address: str | None = None
    cpus: int = 48
    memory_mb: int = 196608
    cpu_arch: str = "x86_64"
    disk: int = 480 * GIB
    boot_mode: str = "uefi"

    @property
    def macs(self) -> tuple[str, str]:
        """Of its network cards; it boots from the first."""
        low = f"{self.number >> 8:02x}:{self.number & 0xFF:02x}"
        return f"52:54:00:00:{low}", f"52:54:00:01:{low}"

    @property
    def expected_properties(self) -> dict[str, str]:
        """What ironic-inspector makes of it: all values are text."""
        return {
            "cpus": str(self.cpus),
            "memory_mb": str(self.memory_mb),
            "cpu_arch": self.cpu_arch,
            # One GiB is left for partitions.
            "local_gb": str(self.disk // GIB - 1),
        }

    def report(self) -> Report:
        """What its ramdisk posts when all went well."""
        inventory = self._inventory()
        return {
            "inventory": inventory,
            "root_disk": copy.deepcopy(inventory["disks"][0]),
            "boot_interface": f"01-{self.macs[0].replace(':', '-')}",
            "configuration": {
                "collectors": ["default", "logs"],
                "managers": [
                    {"name": "generic_hardware_manager", "version": "1.2"}
                ],
            },
            "error": None,
            "logs": base64.b64encode(b"journal of the ramdisk").decode(),
        }

    def _inventory(self) -> dict[str, Any]:
        return {
            "hostname": f"ramdisk-{self.number:05d}",
            "interfaces": [
                self._interface(which, mac)
                for which, mac in enumerate(self.macs)
            ],
            "cpu": {
                "model_name": "Intel(R) Xeon(R) Gold 6240R CPU @ 2.40GHz",
                "frequency": "4000.0000",
                "count": self.cpus,
                "architecture": self.cpu_arch,
                "flags": list(_FLAGS),
                "socket_count": 2,
            },
            "memory": {
                # Less than is plugged in: the kernel keeps some for itself.
                "total": self.memory_mb * 1024**2 - 3 * GIB,
                "physical_mb": self.memory_mb,
            },
            "disks": [
                self._disk("sda", self.disk),
                self._disk("sdb", 4000 * 10**9, rotational=True),
            ],
            "bmc_address": self.bmc_address or "0.0.0.0",
            "bmc_v6address": "::/0",
            "system_vendor": {
                "product_name": "PowerEdge R640",
                "serial_number": f"LAB{self.number:05d}",
                "manufacturer": "Dell Inc.",
                "firmware": {
                    "vendor": "Dell Inc.",
                    "version": "2.19.1",
                    "build_date": "06/04/2023",
                },
            },
            "boot": {
                "current_boot_mode": self.boot_mode,
                "pxe_interface": self.macs[0],
            },
        }

    def _interface(self, which: int, mac: str) -> dict[str, Any]:
        high, low = divmod(self.number, 250)
        a, b, c, d, e, f = (int(part, 16) for part in mac.split(":"))
        local = f"fe80::{a ^ 2:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}"
        return {
            "name": f"eno{which + 1}",
            "mac_address": mac,
            "ipv4_address": f"172.2{which}.{high}.{low + 1}",
            "ipv6_address": f"{local}%eno{which + 1}",
            "has_carrier": True,
            "lldp": None,
            "vendor": "0x8086",
            "product": "0x1572",
            "client_id": None,
            "biosdevname": f"em{which + 1}",
            "speed_mbps": 10000,
            "pci_address": f"0000:19:00.{which}",
            "driver": "i40e",
        }

    def _disk(
        self, name: str, size: int, rotational: bool = False
    ) -> dict[str, Any]:
        wwn = f"0x5002538e{self.number:06x}{ord(name[-1]):02x}"
        where = f"/dev/disk/by-path/pci-0000:18:00.0-ata-{ord(name[-1]) - 96}"
        return {
            "name": f"/dev/{name}",
            "model": "MZ7LH480HAHQ0D3" if not rotational else "ST4000NM000B",
            "size": size,
            "rotational": rotational,
            "wwn": wwn,
            "serial": f"S{self.number:05d}{name}",
            "vendor": "ATA",
            "wwn_with_extension": wwn,
            "wwn_vendor_extension": None,
            "hctl": f"{ord(name[-1]) - 97}:0:0:0",
            "by_path": where,
            "logical_sectors": 512,
            "physical_sectors": 4096,
        }


def failed(report: Report, error: str) -> Report:
    """The same machine, whose ramdisk says what went wrong in it."""
    return {**copy.deepcopy(report), "error": error}


def without_cards(report: Report) -> Report:
    """The same machine, none of whose network cards has an address."""
    changed = copy.deepcopy(report)
    for interface in changed["inventory"]["interfaces"]:
        interface["mac_address"] = None
        interface["ipv4_address"] = None
        interface["ipv6_address"] = None
    return changed


def without_inventory(report: Report) -> Report:
    """The same machine, whose ramdisk found out nothing at all."""
    changed = copy.deepcopy(report)
    del changed["inventory"]
    return changed


def post_all(
    inspector: Inspector, reports: Mapping[str, Report]
) -> dict[str, Answer]:
    """All ramdisks of these nodes report at the same time.

    :returns: node to what its ramdisk was answered
    :raises OSError: one of them got no answer
    """
    with ThreadPoolExecutor(_PARALLEL, "ramdisk") as ramdisks:
        answers = ramdisks.map(inspector.report, reports.values())
        return dict(zip(reports, answers, strict=True))


def machines(numbers: Iterable[int]) -> list[Hardware]:
    """Servers with these numbers, each with a controller of its own.

    Their controllers' addresses are no loopback ones: ironic-inspector does
    not look for a machine by such an address.
    """
    return [
        Hardware(
            number,
            bmc_address=f"10.77.{number >> 8}.{number & 0xFF}",
            cpus=8 + 8 * (number % 5),
            memory_mb=16384 * (1 + number % 4),
            disk=(200 + number) * GIB,
        )
        for number in numbers
    ]
