# SPDX-License-Identifier: Apache-2.0
"""What it means when a controller refuses a step of a login. Pure.

Texts for codes come from whoever has them; what was asked for before, and
what is done about a refusal, is others' business.
"""

from __future__ import annotations

from typing import Final

from baremetal_backend.drivers.ipmi.bmc import Privilege
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    ProtocolViolation,
)
from baremetal_backend.drivers.ipmi.native.events import (
    OtherSuite,
    Rejected,
    Stale,
)

#: Of a proof (RMCP+ status codes: IPMI 2.0, table 13-15).
BAD_INTEGRITY: Final = 0x0F

_NO_RESOURCES: Final = (0x01, 0x0B)
_UNKNOWN_SESSION: Final = (0x02, 0x08)
_PRIVILEGE: Final = (0x09, 0x0A)
_USER: Final = (0x0C, 0x0D, 0x0E)

_NO_SESSION_LEFT: Final = Rejected(Busy, "it has no session left")

# A completion code (IPMI 2.0, table 5-2): a request that it does not know how
# to read, as a controller that has IPMI 1.5 only says.
_INVALID_DATA: Final = 0xCC


def speaks_ipmi_2(code: int, data: bytes | bytearray) -> bool:
    """Whether these capabilities are of one with RMCP+ (table 22-15)."""
    return not code and len(data) > 3 and bool(data[1] & 0x80 and data[3] & 2)


def of_capabilities(code: int, meaning: str) -> Rejected:
    """It does not tell that it speaks IPMI 2.0."""
    return Rejected(
        ProtocolViolation,
        "it speaks IPMI 1.5 only; the ipmitool interfaces can use that"
        if not code or code == _INVALID_DATA
        else f"it does not tell its capabilities ({meaning})",
    )


def of_open_session(status: int, text: str) -> OtherSuite | Rejected:
    """In the Open Session Response (13.18)."""
    if status in _NO_RESOURCES:
        return _NO_SESSION_LEFT
    return OtherSuite(text)


def of_proof(status: int, text: str, privilege: int) -> Stale | Rejected:
    """In RAKP message 2 or 4 (13.21, 13.23)."""
    if status in _UNKNOWN_SESSION or status == BAD_INTEGRITY:
        return Stale(text)
    if status in _NO_RESOURCES:
        return _NO_SESSION_LEFT
    if status in _PRIVILEGE:
        name = Privilege(privilege).name
        return Rejected(
            BadCredentials, f"the user may not have privilege {name}"
        )
    if status in _USER:
        return Rejected(BadCredentials, "it does not know the user")
    return Rejected(ProtocolViolation, f"login ended: {text}")


__all__ = [
    "BAD_INTEGRITY",
    "of_capabilities",
    "of_open_session",
    "of_proof",
    "speaks_ipmi_2",
]
