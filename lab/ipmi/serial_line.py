# SPDX-License-Identifier: Apache-2.0
"""What ``ipmi_sim`` connects to as the serial port of a machine, over TCP.

The machine on the other side prints what a test writes, and remembers what
is typed. Owned by the test's thread; one thread of its own reads.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from lab.ports import LOOPBACK
from lab.waiting import wait_for


class SerialLine:
    """A listening TCP port; a context manager. Start it before the farm."""

    def __init__(self, echo: bool = False) -> None:
        self._server = socket.create_server((LOOPBACK, 0))
        self.port = int(self._server.getsockname()[1])
        self._echo = echo
        self._typed = bytearray()
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(
            target=self._serve, name=f"serial-line-{self.port}", daemon=True
        )

    def __enter__(self) -> SerialLine:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            # Closing alone does not wake a thread in accept().
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._hang_up()
        self._thread.join(5)

    @property
    def typed(self) -> bytes:
        """What the machine has read."""
        return bytes(self._typed)

    def write(self, text: bytes, seconds: float = 10) -> None:
        """The machine prints this, as soon as ipmi_sim is connected."""
        connection = wait_for(
            lambda: self._connection, seconds, "serial connection", every=0.05
        )
        assert connection is not None
        connection.sendall(text)

    def _serve(self) -> None:
        while True:
            try:
                self._connection, _ = self._server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                while data := self._connection.recv(4096):
                    self._typed += data
                    if self._echo:
                        self._connection.sendall(data)
            self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
