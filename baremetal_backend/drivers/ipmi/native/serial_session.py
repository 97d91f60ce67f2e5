# SPDX-License-Identifier: Apache-2.0
"""What serial over LAN needs of whoever has the sessions. Protocols only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import IpmiError


class Session(Protocol):
    """A session with a controller that nobody else uses."""

    #: Called with the payload of each packet of serial over LAN.
    serial: Callable[[bytes], None] | None

    @property
    def numbers(self) -> tuple[int, int]:
        """The controller's number of the session, and ours."""
        ...

    def ask(
        self,
        command: Command,
        seconds: float,
        done: Callable[[Response | IpmiError], None],
    ) -> None:
        """``done`` is called once; no answer ends the session as well."""
        ...

    def send_serial(self, payload: bytes) -> None:
        """Send a packet of serial over LAN once, as it is."""
        ...

    def close(self) -> None:
        """Log out, without waiting for it."""
        ...


class Handle(Protocol):
    """A thing that will happen."""

    def cancel(self) -> None:
        """Or not."""
        ...


class Pump(Protocol):
    """The thread that has all sessions, and its clock."""

    @property
    def now(self) -> Callable[[], float]:
        """Monotonic seconds."""
        ...

    def call_soon(
        self,
        call: Callable[[], None],
        lost: Callable[[IpmiError], None] | None = None,
    ) -> None:
        """Call in the pump's thread; may be called in any thread.

        ``lost`` is called in another thread if the pump never comes to it.
        """
        ...

    def call_later(self, seconds: float, call: Callable[[], None]) -> Handle:
        """The same later; called in the pump's thread only."""
        ...

    def open_session(
        self,
        bmc: Bmc,
        ready: Callable[[Any], None],
        lost: Callable[[IpmiError], None],
        seconds: float,
    ) -> None:
        """Log in; called in the pump's thread only.

        ``ready`` gets a ``Session``. ``lost`` is called once, if there is none
        or if it ended other than by ``close``; if the pump itself is lost, in
        another thread.
        """
        ...


__all__ = ["Handle", "Pump", "Session"]
