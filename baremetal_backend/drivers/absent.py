# SPDX-License-Identifier: Apache-2.0
"""Interfaces of hardware that can't do a thing: each says so."""

from __future__ import annotations

from baremetal_backend.core.errors import UnsupportedDriverExtension
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import (
    BiosInterface,
    DriverTask,
    FirmwareInterface,
    InspectInterface,
    Progress,
    RaidInterface,
    RescueInterface,
    StepProgress,
)


class NoBios(BiosInterface):
    """Nodes whose firmware settings nobody changes."""

    name = "no-bios"

    def validate(self, node: Node) -> None:
        """Say that there are none."""
        raise UnsupportedDriverExtension(node.driver, "bios")


class NoFirmware(FirmwareInterface):
    """Nodes whose firmware nobody looks at."""

    name = "no-firmware"

    def validate(self, node: Node) -> None:
        """Say that there is nothing."""
        raise UnsupportedDriverExtension(node.driver, "firmware")


class NoRaid(RaidInterface):
    """Nodes whose disks stay as they are."""

    name = "no-raid"

    def validate(self, node: Node) -> None:
        """Say that there is nothing."""
        raise UnsupportedDriverExtension(node.driver, "raid")


class NoInspect(InspectInterface):
    """Nodes whose properties a person writes down."""

    name = "no-inspect"

    def validate(self, node: Node) -> None:
        """Say that there is no inspection."""
        raise UnsupportedDriverExtension(node.driver, "inspect")

    def inspect_hardware(self, task: DriverTask) -> StepProgress:
        """Refuse."""
        raise UnsupportedDriverExtension(task.node.driver, "inspect")


class NoRescue(RescueInterface):
    """Nodes without a rescue system."""

    name = "no-rescue"

    def validate(self, node: Node) -> None:
        """Say that there is none."""
        raise UnsupportedDriverExtension(node.driver, "rescue")

    def rescue(self, task: DriverTask) -> StepProgress:
        """Refuse."""
        raise UnsupportedDriverExtension(task.node.driver, "rescue")

    def unrescue(self, task: DriverTask) -> Progress:
        """Refuse."""
        raise UnsupportedDriverExtension(task.node.driver, "unrescue")


__all__ = ["NoBios", "NoFirmware", "NoInspect", "NoRaid", "NoRescue"]
