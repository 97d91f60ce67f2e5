# SPDX-License-Identifier: Apache-2.0
"""What a controller's state machine needs of whoever runs it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Response
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.resolver import Address, Found
from baremetal_backend.drivers.ipmi.native.sockets import Port
from baremetal_backend.drivers.ipmi.native.work import Work

if TYPE_CHECKING:
    from baremetal_backend.drivers.ipmi.native.controller import Controller


class Host(Protocol):
    """What a controller needs of whoever runs it."""

    settings: IpmiSettings

    def finish(
        self, work: Work, outcome: Response | IpmiError, now: float
    ) -> None:
        """It ended so; ignored if it had ended already."""
        ...

    def mine(self, work: Work) -> bool:
        """Whether it still has to end."""
        ...

    def resolve(self, bmc: Bmc, then: Callable[[Found, float], None]) -> None:
        """``then`` is called in this thread with what is found."""
        ...

    def join(self, address: Address, peer: Controller) -> Port[Controller]:
        """A socket for this address. Errors: OSError."""
        ...

    def leave(self, port: Port[Controller], address: Address) -> None:
        """It is no longer needed."""
        ...

    def retire(self, controller: Controller) -> None:
        """Nothing is left to be done for it."""
        ...

    def chance(self) -> float:
        """From 0 up to 1."""
        ...

    def count(self, what: str) -> None:
        """For statistics."""
        ...


class Stage(enum.Enum):
    """What the command in flight is waiting for."""

    IDLE = "nothing"
    NAMES = "its address"
    LOGIN = "a session"
    PROBE = "a sign that the session lives"
    COMMAND = "the answer"
    BUSY = "a controller with time"
    FULL = "a controller with a free session"
    CLOSING = "the end of the session"


__all__ = ["Host", "Stage"]
