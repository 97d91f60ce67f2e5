# SPDX-License-Identifier: Apache-2.0
"""What the interfaces need of whatever speaks IPMI. Values and protocols."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import IpmiError


@dataclass(frozen=True, slots=True)
class Answered:
    """How a command ended."""

    #: A response, or why there is none.
    outcome: Response | IpmiError
    #: Seconds from the submission to the end.
    seconds: float
    #: Monotonic seconds at which the answer arrived: what it says is at
    #: least as new as the submission.
    at: float


class Client(Protocol):
    """Speaks with all controllers of this process. Safe for all threads."""

    def call(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Response:
        """Ask, and wait. Errors: IpmiError.

        ``seconds``: deadline with login, queue and repetitions; None:
        ``[ipmi]command_retry_timeout``. Never waits longer.
        """
        ...

    def submit(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Future[Response]:
        """Ask. The future ends by itself, at the deadline at the latest."""
        ...

    def ask(
        self,
        bmc: Bmc,
        command: Command,
        seconds: float,
        done: Callable[[Answered], None],
    ) -> None:
        """Ask for background work; refused at once while the circuit is open.

        ``done`` is called exactly once, in a thread of the client: it only
        puts the answer away. May be called before this returns.
        """
        ...

    def forget(self, bmc: Bmc) -> None:
        """Nobody uses it any more: log out soon, without waiting for it."""
        ...


class ConsoleClient(Client, Protocol):
    """The same, and what opens serial lines."""

    def open_console(
        self,
        bmc: Bmc,
        received: Callable[[bytes], None],
        closed: Callable[[IpmiError | None], None],
        seconds: float | None = None,
        force: bool = False,
    ) -> Future[SerialOverLan]:
        """Activate serial over LAN (IPMI 2.0, section 15) in its own session.

        ``force``: deactivate it for whoever else has it; otherwise Taken.
        ``received`` and ``closed`` are called in a thread of the client and
        only put away; ``closed`` once, with None after ``close()``.
        """
        ...


class SerialOverLan(Protocol):
    """An open console. Safe for all threads; nothing here waits."""

    def send(self, data: bytes) -> None:
        """Type this. Ignored after the end."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that the controller has not accepted yet."""
        ...

    def close(self) -> None:
        """Deactivate, and log out."""
        ...


__all__ = ["Answered", "Client", "ConsoleClient", "SerialOverLan"]
