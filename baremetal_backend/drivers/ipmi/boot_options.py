# SPDX-License-Identifier: Apache-2.0
"""Boot flags as values and as bytes (IPMI 2.0, section 28.13, table 28-14).

Pure. The flags of a BMC hold for the next boot, or for all, and only while
their bit says that they are valid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from baremetal_backend.core.records import Node

#: Boot device to its selector (parameter 5, second byte, bits 5 to 2).
DEVICES: Mapping[str, int] = {
    "pxe": 0x1,
    "disk": 0x2,
    "safe": 0x3,
    "cdrom": 0x5,
    "bios": 0x6,
}
_NAMES = {selector: name for name, selector in DEVICES.items()}

# Of the second byte of an answer: the parameter is invalid or locked.
_LOCKED: Final = 0x80

_VALID: Final = 0x80
_PERSISTENT: Final = 0x40
_UEFI: Final = 0x20

#: Parameter 3 with the bit "don't forget a flag after 60 s".
KEEP_FLAGS: Final = bytes([3, 0x08])


@dataclass(frozen=True, slots=True)
class BootFlags:
    """What to boot from next."""

    device: str
    persistent: bool
    uefi: bool

    def encoded(self) -> bytes:
        """Parameter 5, to be set."""
        first = _VALID
        first |= _PERSISTENT if self.persistent else 0
        first |= _UEFI if self.uefi else 0
        return bytes([5, first, DEVICES[self.device] << 2, 0, 0, 0])


def decoded(data: bytes) -> BootFlags | None:
    """The flags of an answer; None: nothing holds, or nobody knows what.

    Errors: ValueError for an answer that is too short.
    """
    if len(data) < 4:
        raise ValueError(f"{len(data)} bytes of boot flags")
    first, second = data[2], data[3]
    device = _NAMES.get((second >> 2) & 0x0F)
    if data[1] & _LOCKED or not first & _VALID or device is None:
        return None
    return BootFlags(device, bool(first & _PERSISTENT), bool(first & _UEFI))


def mode(node: Node) -> str:
    """``uefi`` or ``bios``: what the node shall boot with.

    The instance's wish comes first, then what was set by a client, then the
    node's own capabilities; a node that says nothing boots with UEFI.
    """
    wishes = (
        _capability(node.instance_info),
        node.boot_mode,
        _capability(node.properties),
    )
    return next((one for one in wishes if one in ("uefi", "bios")), "uefi")


def _capability(holder: Mapping[str, Any]) -> str | None:
    """``boot_mode`` of the capabilities: a mapping, JSON, or ``a:b,c:d``."""
    found = holder.get("capabilities")
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            pairs = (one.partition(":") for one in found.split(","))
            found = {name.strip(): value.strip() for name, _, value in pairs}
    if not isinstance(found, Mapping):
        return None
    value = found.get("boot_mode")
    return value if isinstance(value, str) else None


__all__ = ["DEVICES", "KEEP_FLAGS", "BootFlags", "decoded", "mode"]
