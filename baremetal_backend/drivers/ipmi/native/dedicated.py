# SPDX-License-Identifier: Apache-2.0
"""A session for one purpose, such as a console, beside the shared one.

All of it is used in the pump's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.controller import (
    Controller,
)
from baremetal_backend.drivers.ipmi.native.link import Link
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered

if TYPE_CHECKING:
    from baremetal_backend.drivers.ipmi.native.pump import Pump

# Payload type (IPMI 2.0, table 13-16).
_SERIAL: Final = 1


class Dedicated:
    """Made by ``Pump.open_session``."""

    def __init__(
        self,
        pump: Pump,
        controller: Controller,
        bmc: Bmc,
        lost: Callable[[IpmiError], None],
    ) -> None:
        self._pump = pump
        self._controller = controller
        self._bmc = bmc
        self._serial: Callable[[bytes], None] | None = None
        self.link: Link = controller.dedicate(bmc, lost)

    @property
    def is_open(self) -> bool:
        """Whether payloads can be sent."""
        return self.link.rmcp is not None

    @property
    def numbers(self) -> tuple[int, int]:
        """The controller's number of the session, and ours; 0: not open."""
        rmcp = self.link.rmcp
        return (int(rmcp.sessionid), rmcp.session_id) if rmcp else (0, 0)

    @property
    def serial(self) -> Callable[[bytes], None] | None:
        """Called with the payload of each packet of serial over LAN."""
        return self._serial

    @serial.setter
    def serial(self, handler: Callable[[bytes], None] | None) -> None:
        self._serial = handler
        if self.link.rmcp is not None:
            self.link.rmcp.sol_handler = handler and (
                lambda payload: handler(bytes(payload))
            )

    def send_serial(self, payload: bytes) -> None:
        """Send a packet of serial over LAN once, as it is."""
        if self.link.rmcp is not None:
            self.link.rmcp.send_payload(bytearray(payload), _SERIAL)

    def ask(
        self,
        command: Command,
        seconds: float,
        done: Callable[[Response | IpmiError], None],
    ) -> None:
        """Ask in this session; it waits for its turn like any other command.

        No answer within ``seconds`` means that the session is lost.
        """
        now = self._pump.now()

        def answered(answer: Answered) -> None:
            done(answer.outcome)

        self._pump.submit(
            Work(
                self._bmc,
                command,
                now,
                now + seconds,
                answered,
                link=self.link,
            )
        )

    def close(self) -> None:
        """Log out when the controller is free. ``lost`` is not called."""
        self.serial = None
        self._controller.release(self.link, self._pump.now())
        self._pump.plan(self._controller)


__all__ = ["Dedicated"]
