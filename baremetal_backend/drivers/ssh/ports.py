# SPDX-License-Identifier: Apache-2.0
"""A host, as a node's ``driver_info`` describes it, and a session with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

SSH_PORT: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where it is, and who is asking; one of ``password`` and ``key``."""

    #: IPv4 or IPv6 address, or host name.
    address: str
    port: int = SSH_PORT
    username: str
    password: str | None = field(default=None, repr=False)
    #: Text of a private key.
    key: str | None = field(default=None, repr=False)
    #: Type and bytes of the key that it has to have; None: see the options.
    host_key: tuple[str, bytes] | None = None

    @property
    def where(self) -> str:
        """``host:port``, for people."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @property
    def known_as(self) -> str:
        """Its name in files of known hosts (sshd(8))."""
        if self.port == SSH_PORT:
            return self.address
        return f"[{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    output: bytes
    errors: bytes


class Session(Protocol):
    """A login; for one thread."""

    def run(
        self, tried: str, argv: Sequence[str], stdin: bytes = b""
    ) -> Ended:
        """Run a command; the host's shell sees each argument as one word.

        ``tried`` names it in errors. It is over within
        ``[ssh]command_timeout`` and some seconds. Errors: Unfinished,
        ProtocolViolation.
        """
        ...


class Client(Protocol):
    """Logs in. Safe for all threads."""

    def session(self, host: Host) -> AbstractContextManager[Session]:
        """Log in, within ``[ssh]connect_timeout``; ends with the block.

        Errors: Unreachable, AccessDenied, HostKeyRefused, ProtocolViolation.
        """
        ...


__all__ = ["SSH_PORT", "Client", "Ended", "Host", "Session"]
