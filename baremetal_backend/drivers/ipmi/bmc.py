# SPDX-License-Identifier: Apache-2.0
"""A management controller (BMC), as a node's ``driver_info`` describes it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

RMCP_PORT: Final = 623


class Privilege(enum.IntEnum):
    """What a session is allowed to do (IPMI 2.0, section 6.8)."""

    CALLBACK = 1
    USER = 2
    OPERATOR = 3
    ADMINISTRATOR = 4


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that no text shows."""

    value: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Bridge:
    """A controller behind the one that is reached (IPMI 2.0, 6.13)."""

    channel: int
    address: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bmc:
    """Where it is, who is asking, and how. Equal values share a session."""

    #: IPv4 or IPv6 address, or host name.
    address: str
    port: int = RMCP_PORT
    username: bytes = b""
    password: Secret = Secret()
    privilege: Privilege = Privilege.ADMINISTRATOR
    #: Cipher suites to try, in this order.
    cipher_suites: tuple[int, ...] = (17, 3)
    #: Key of a controller that is set up for two keys (Kg); None: it is not.
    key: Secret | None = None

    @property
    def where(self) -> str:
        """``host:port``, for people."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


__all__ = ["RMCP_PORT", "Bmc", "Bridge", "Privilege", "Secret"]
