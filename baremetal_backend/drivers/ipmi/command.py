# SPDX-License-Identifier: Apache-2.0
"""IPMI commands and what a controller answers, as values."""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_backend.drivers.ipmi.bmc import Bridge

# Network functions (IPMI 2.0, table 5-1).
CHASSIS = 0x00
SENSOR = 0x04
APPLICATION = 0x06
STORAGE = 0x0A


@dataclass(frozen=True, slots=True)
class Command:
    """A request to a controller."""

    #: For people: ``Get Chassis Status``.
    name: str
    netfn: int
    number: int
    data: bytes = b""
    #: Whether it does no harm to be carried out twice. Otherwise it is sent
    #: once, and the lack of an answer is an error of its own kind.
    repeatable: bool = True
    bridge: Bridge | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came back with completion code 0."""

    data: bytes


# Chassis (IPMI 2.0, section 28).
CHASSIS_STATUS = Command("Get Chassis Status", CHASSIS, 0x01)
POWER_DOWN = Command("Chassis Control: power down", CHASSIS, 0x02, b"\x00")
POWER_UP = Command("Chassis Control: power up", CHASSIS, 0x02, b"\x01")
POWER_CYCLE = Command(
    "Chassis Control: power cycle", CHASSIS, 0x02, b"\x02", repeatable=False
)
HARD_RESET = Command(
    "Chassis Control: hard reset", CHASSIS, 0x02, b"\x03", repeatable=False
)
DIAGNOSTIC_INTERRUPT = Command(
    "Chassis Control: diagnostic interrupt",
    CHASSIS,
    0x02,
    b"\x04",
    repeatable=False,
)
SOFT_SHUTDOWN = Command(
    "Chassis Control: soft shutdown", CHASSIS, 0x02, b"\x05"
)


def is_powered_on(status: Response) -> bool:
    """Whether an answer to ``CHASSIS_STATUS`` says so (table 28-3)."""
    return bool(status.data[0] & 0x01)


# Indicators, boot options (IPMI 2.0, sections 28.5, 28.12 and 28.13).
CHASSIS_IDENTIFY = Command("Chassis Identify", CHASSIS, 0x04)
SET_BOOT_OPTIONS = Command("Set System Boot Options", CHASSIS, 0x08)
GET_BOOT_FLAGS = Command(
    "Get System Boot Options", CHASSIS, 0x09, b"\x05\x00\x00"
)

# The controller itself (sections 20.2 and 20.3): its restart loses sessions
# and must not be asked for twice.
COLD_RESET = Command("Cold Reset", APPLICATION, 0x02, repeatable=False)
WARM_RESET = Command("Warm Reset", APPLICATION, 0x03, repeatable=False)

# System event log (section 31).
RESERVE_SEL = Command("Reserve SEL", STORAGE, 0x42)
CLEAR_SEL = Command("Clear SEL", STORAGE, 0x47)
