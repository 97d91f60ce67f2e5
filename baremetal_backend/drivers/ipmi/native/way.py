# SPDX-License-Identifier: Apache-2.0
"""Where a controller is reached: its addresses, one of them, a socket for it.

It knows neither sessions nor what it sends. Sessions at an address end with
it: ``moved`` is called before anything is sent to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from baremetal_backend.drivers.ipmi.native.host import Host
from baremetal_backend.drivers.ipmi.native.resolver import Address
from baremetal_backend.drivers.ipmi.native.sockets import Port

if TYPE_CHECKING:
    from baremetal_backend.drivers.ipmi.native.controller import Controller


class Way:
    """Owner: the pump's thread. ``peer`` is who gets what comes back."""

    __slots__ = (
        "_address",
        "_addresses",
        "_host",
        "_moved",
        "_peer",
        "_port",
        "sent",
        "unsent",
    )

    def __init__(
        self, host: Host, peer: Controller, moved: Callable[[], None]
    ) -> None:
        self._host = host
        self._peer = peer
        self._moved = moved
        self._addresses: list[Address] = []
        self._port: Port[Controller] | None = None
        self._address: Address | None = None
        self.count_anew()

    def count_anew(self) -> None:
        """For the next command."""
        #: Datagrams.
        self.sent = 0
        #: Why the last one could not be sent; None: it could.
        self.unsent: str | None = None

    def send(self, datagram: bytes) -> None:
        """Send it, or lose it."""
        if self._port is not None and self._address is not None:
            self.sent += 1
            self.unsent = self._port.send(datagram, self._address[1])

    def lead_to(self, addresses: Sequence[Address]) -> None:
        """These are its addresses now. Errors: OSError."""
        self._addresses = list(addresses)
        if self._address not in self._addresses:
            self._reach(self._addresses)

    def turn(self) -> None:
        """Try the next of several addresses. Errors: OSError."""
        if len(self._addresses) > 1:
            at = self._addresses.index(self._address or self._addresses[0])
            self._reach(self._addresses[at + 1 :] + self._addresses[:at])

    def end(self) -> None:
        """Nobody needs it any more."""
        if self._port is not None and self._address is not None:
            self._host.leave(self._port, self._address)
            self._port = self._address = None

    def _reach(self, addresses: list[Address]) -> None:
        """Be reached at the first that there can be a socket for.

        A host without IPv6 has none for the first address of many names.
        Errors: OSError of the last one.
        """
        for left, address in enumerate(addresses, 1 - len(addresses)):
            try:
                self._move(address)
            except OSError:
                if not left:
                    raise
            else:
                return

    def _move(self, address: Address) -> None:
        """Be reached there. Errors: OSError."""
        port = self._host.join(address, self._peer)
        if self._port is not None and self._address is not None:
            self._host.leave(self._port, self._address)
        self._moved()
        self._port, self._address = port, address


__all__ = ["Way"]
