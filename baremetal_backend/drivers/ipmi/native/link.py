# SPDX-License-Identifier: Apache-2.0
"""A session with one controller for one set of credentials, open or not."""

from __future__ import annotations

from collections.abc import Callable

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED, Circuit
from baremetal_backend.drivers.ipmi.native.session import Rmcp


class Link:
    """Owner: the pump's thread."""

    __slots__ = (
        "bmc",
        "circuit",
        "forgotten",
        "heard_at",
        "lost",
        "proven",
        "rmcp",
        "suite",
        "used_at",
    )

    def __init__(
        self, bmc: Bmc, lost: Callable[[IpmiError], None] | None = None
    ) -> None:
        self.bmc = bmc
        self.circuit: Circuit = CLOSED
        #: The cipher suite that worked.
        self.suite: int | None = None
        #: None: not logged in.
        self.rmcp: Rmcp | None = None
        #: Monotonic seconds of the last command.
        self.used_at = 0.0
        #: Of the last datagram that was authentic.
        self.heard_at = 0.0
        #: Whether the present command logged in itself: then silence does not
        #: mean that the session was lost.
        self.proven = False
        #: Nobody wants it any more.
        self.forgotten = False
        #: Somebody's own session, who wants to know its end.
        self.lost = lost

    @property
    def dedicated(self) -> bool:
        """Whether it is for one purpose, such as a console."""
        return self.lost is not None

    def tell_lost(self, error: IpmiError) -> None:
        """The owner of a dedicated session hears of its end, once."""
        lost, self.lost = self.lost, None
        if lost is not None:
            self.forgotten = True
            lost(error)


__all__ = ["Link"]
