# SPDX-License-Identifier: Apache-2.0
"""Interfaces ``ipmitool``: as ``ipmi``, with the tool as the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.core.records import Json, Node
from baremetal_backend.drivers.base import PowerReading
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.interface import IpmiInterface
from baremetal_backend.drivers.ipmi.ipmitool import command_line
from baremetal_backend.drivers.ipmi.ipmitool.client import IpmitoolClient
from baremetal_backend.drivers.ipmi.management import IpmiManagement
from baremetal_backend.drivers.ipmi.power import IpmiPower
from baremetal_backend.drivers.ipmi.vendor import IpmiVendor


class _ByTool(IpmiInterface):
    """Reads the node's data for the tool, and has to have it."""

    name = "ipmitool"
    needs = (IpmitoolClient,)

    client: Any

    def validate(self, node: Node) -> None:
        """Errors: HardwareRefused, also where the tool is not installed."""
        self.access(node)
        if self.client.program is None:
            raise HardwareRefused(
                f"{self.kind}_interface ipmitool: there is no program "
                f"{command_line.PROGRAM} on the conductor; install it, or "
                f"set {self.kind}_interface to ipmi."
            )

    def understood(self, info: Json) -> Access:
        """Also IPMI 1.5, dual bridging, and all cipher suites."""
        return command_line.access(info, self.settings.ipmi, self.read_file)


class IpmitoolPower(_ByTool, IpmiPower):
    """Power, as IpmiPower."""

    def ask_power_state(
        self, node: Node, done: Callable[[PowerReading], None]
    ) -> bool:
        """A process for each of very many nodes is none's wish."""
        return False


class IpmitoolManagement(_ByTool, IpmiManagement):
    """Boot device and the rest, as IpmiManagement."""


class IpmitoolVendor(_ByTool, IpmiVendor):
    """Methods for clients, as IpmiVendor."""

    management = IpmitoolManagement


__all__ = ["IpmitoolManagement", "IpmitoolPower", "IpmitoolVendor"]
