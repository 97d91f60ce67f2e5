# SPDX-License-Identifier: Apache-2.0
"""The controller's end of serial over LAN (IPMI 2.0, section 15).

One packet of each side is on its way; what is not acknowledged is sent
again. Echoes what is typed. Knows nothing of sessions: it is given payloads
and sends payloads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

_AGAIN_AFTER = 0.25
_MOST = 200

_NACK = 0x40


@dataclass
class SerialPort:
    """An activated serial line."""

    send: Callable[[bytes], None]
    later: Callable[[float, Callable[[], None]], None]
    #: Most characters that are taken of one packet.
    takes: Callable[[], int]
    #: What was typed.
    typed: bytearray = field(default_factory=bytearray)
    is_open: bool = True
    _waiting: bytearray = field(default_factory=bytearray)
    _number: int = 0
    _on_its_way: bytes = b""
    _last_taken: tuple[int, int] = (0, 0)

    def write(self, text: bytes) -> None:
        """The machine prints this."""
        self._waiting += text
        self._send_next()

    def received(self, payload: bytes) -> None:
        """A packet of the console: number, ack, count, operation, data."""
        if not self.is_open or len(payload) < 4:
            return
        number, acked, count, _operation = payload[:4]
        # A console that says how many it took wants the rest again.
        self._acknowledged(acked & 0x0F, count)
        if number & 0x0F:
            self._take(number & 0x0F, payload[4:])

    def _take(self, number: int, data: bytes) -> None:
        taken = len(data)
        if number == self._last_taken[0]:
            taken = self._last_taken[1]
        else:
            taken = min(taken, self.takes())
            self.typed += data[:taken]
            self._waiting += data[:taken].replace(b"\r", b"\r\n")
        self._last_taken = (number, taken)
        refused = _NACK if taken < len(data) else 0
        self.send(bytes([0, number, taken, refused]))
        self._send_next()

    def _acknowledged(self, number: int, count: int) -> None:
        if not number or number != self._number or not self._on_its_way:
            return
        self._waiting[:0] = self._on_its_way[count:]
        self._on_its_way = b""
        self._send_next()

    def _send_next(self) -> None:
        if not self.is_open or self._on_its_way or not self._waiting:
            return
        self._on_its_way = bytes(self._waiting[:_MOST])
        del self._waiting[:_MOST]
        self._number = self._number % 15 + 1
        self._transmit(self._number)

    def _transmit(self, number: int) -> None:
        if not self.is_open or not self._on_its_way or number != self._number:
            return
        self.send(bytes([number, 0, 0, 0]) + self._on_its_way)
        self.later(_AGAIN_AFTER, lambda: self._transmit(number))
