# SPDX-License-Identifier: Apache-2.0
"""A few UDP sockets for all controllers.

Each socket serves up to 64 of them, so that the answers to a burst fit into
its buffer, and an address once, so that an answer names who it is from.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_MOST: Final = 64
_BUFFER: Final = 1 << 20
_LARGEST: Final = 4096


class Port(Generic[T]):
    """A socket, and who is behind which address."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):
            self.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER
            )
        self.peers: dict[tuple[Any, ...], T] = {}

    def read(self) -> tuple[bytes, tuple[Any, ...]] | None:
        """A datagram and where it is from; None: no more now."""
        try:
            return self.socket.recvfrom(_LARGEST)
        except OSError:
            return None

    def send(self, datagram: bytes, address: tuple[Any, ...]) -> str | None:
        """Send, or lose it, and why: who wants an answer sends again."""
        try:
            self.socket.sendto(datagram, address)
        except OSError as error:
            return error.strerror or str(error)
        return None


class Sockets(Generic[T]):
    """Owner: the pump's thread. ``opened`` and ``closed`` watch a socket."""

    def __init__(
        self,
        opened: Callable[[Port[T]], None],
        closed: Callable[[Port[T]], None],
    ) -> None:
        self._opened = opened
        self._closed = closed
        self._ports: list[Port[T]] = []

    def __len__(self) -> int:
        return len(self._ports)

    def join(self, family: int, address: tuple[Any, ...], peer: T) -> Port[T]:
        """A socket on which this address is this peer. Errors: OSError."""
        for port in self._ports:
            if (
                port.family == family
                and len(port.peers) < _MOST
                and address not in port.peers
            ):
                break
        else:
            port = Port(family)
            self._ports.append(port)
            self._opened(port)
        port.peers[address] = peer
        return port

    def leave(self, port: Port[T], address: tuple[Any, ...]) -> None:
        """The address is nobody's any more; an unused socket is closed."""
        port.peers.pop(address, None)
        if not port.peers and port in self._ports:
            self._ports.remove(port)
            self._closed(port)
            port.socket.close()

    def close(self) -> None:
        """Close all."""
        for port in self._ports:
            self._closed(port)
            port.socket.close()
        self._ports.clear()


__all__ = ["Port", "Sockets"]
