# SPDX-License-Identifier: Apache-2.0
"""Wakes up a thread that waits in ``select``, from any other thread.

However often it is called before the thread looks, it costs one octet.
"""

from __future__ import annotations

import contextlib
import socket


class WakeUp:
    """``drain`` and ``close`` are for the thread that is woken up."""

    __slots__ = ("_called", "_write", "socket")

    def __init__(self) -> None:
        self._called = False
        # Sockets rather than a pipe: who wakes up a thread that has ended
        # must not write to a file that has the same number by now.
        #: Readable when somebody called.
        self.socket, self._write = socket.socketpair()
        for end in (self.socket, self._write):
            end.setblocking(False)

    def call(self) -> None:
        """Wake it up. Never waits, and does no harm after the end."""
        if not self._called:
            self._called = True
            with contextlib.suppress(OSError):
                self._write.send(b"\0")

    def drain(self) -> None:
        """To be called before looking at what there is to be done.

        What is put there from now on makes the socket readable again.
        """
        with contextlib.suppress(OSError):
            self.socket.recv(4096)
        self._called = False

    def close(self) -> None:
        """Nobody waits any more."""
        self.socket.close()
        self._write.close()


__all__ = ["WakeUp"]
