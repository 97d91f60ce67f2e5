# SPDX-License-Identifier: Apache-2.0
"""What a datagram did to a session. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_backend.drivers.ipmi.errors import IpmiError


@dataclass(frozen=True, slots=True)
class Advanced:
    """The next step of the login was sent."""


@dataclass(frozen=True, slots=True)
class Established:
    """Both sides proved themselves. The session has USER privilege."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To the present request."""

    code: int
    data: bytes


@dataclass(frozen=True, slots=True)
class OtherSuite:
    """It does not speak this cipher suite."""

    detail: str


@dataclass(frozen=True, slots=True)
class Stale:
    """It lost track of this login: begin again with fresh numbers."""

    detail: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """No login, and why."""

    error: type[IpmiError]
    detail: str


Event = Advanced | Established | Answer | OtherSuite | Stale | Rejected


class Rubbish(Exception):
    """A datagram that makes no sense. The session is as before."""


__all__ = [
    "Advanced",
    "Answer",
    "Established",
    "Event",
    "OtherSuite",
    "Rejected",
    "Rubbish",
    "Stale",
]
