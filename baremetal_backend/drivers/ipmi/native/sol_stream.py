# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN as packets (IPMI 2.0, section 15), without any I/O.

Bytes that were typed and packets that arrived go in; packets to send, bytes
for the reader and the end come out. Time comes in as monotonic seconds.

It guarantees that what is typed reaches a controller that acknowledges, each
byte once and in order, whatever number of packets is lost or doubled; the
same for what the controller sends. One packet is under way at a time: the
protocol allows no more.

It must not know sessions, sockets, or who reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

_HEADER: Final = 4

# What a controller says in the fourth byte (table 15-2).
NACK: Final = 0x40
UNAVAILABLE: Final = 0x20
DEACTIVATED: Final = 0x10

#: Ends of a stream.
NOT_OURS: Final = "it was deactivated"
NOT_ACKNOWLEDGED: Final = "what was typed is not acknowledged"

# Seconds until a packet without an acknowledgement is sent again, and in the
# end until the controller counts as gone: 9.5 in all.
_PATIENCE: Final = (0.5, 1.0, 1.5, 2.0, 2.0, 2.5)

# Seconds to wait for a controller that had no room for a single character.
_NO_ROOM: Final = 0.25

# Bytes of one packet: more than anybody types, less than any controller's
# buffer that says nothing useful about its size.
_LARGEST: Final = 200
_WITHOUT_A_WORD: Final = 16

# The count of accepted characters is one byte.
_MOST_ACCEPTED: Final = 255

# Typed bytes that are kept; whoever types more did not look at ``unsent``.
_MOST_UNSENT: Final = 65536


@dataclass(frozen=True, slots=True)
class Packet:
    """Payload of type 1 (table 15-2)."""

    #: 1 to 15; 0: nothing to acknowledge here.
    sequence: int = 0
    #: Which packet this acknowledges; 0: none.
    acknowledged: int = 0
    #: How many of its characters were taken.
    accepted: int = 0
    status: int = 0
    data: bytes = b""

    @classmethod
    def parse(cls, payload: bytes) -> Packet | None:
        """None: too short to be one."""
        if len(payload) < _HEADER:
            return None
        sequence, acknowledged, accepted, status = payload[:_HEADER]
        return cls(
            sequence & 0x0F,
            acknowledged & 0x0F,
            accepted,
            status,
            bytes(payload[_HEADER:]),
        )

    def pack(self) -> bytes:
        """As it is sent."""
        header = (self.sequence, self.acknowledged, self.accepted, self.status)
        return bytes(header) + self.data


@dataclass(frozen=True, slots=True)
class Effects:
    """What is to be done now."""

    send: tuple[Packet, ...] = ()
    #: For the reader.
    received: bytes = b""
    #: Why nothing more can be sent or received; None: it goes on.
    ended: str | None = None


@dataclass(frozen=True, slots=True)
class _Flying:
    packet: Packet
    tries: int
    due: float


class Stream:
    """One activation. Owned by the thread that has its session."""

    def __init__(self, largest: int = _LARGEST, first: int = 0) -> None:
        """``largest``: characters that the controller takes in a packet.

        ``first``: number before that of the first packet.
        """
        self._largest = largest
        self._typed = bytearray()
        self._sequence = first
        self._flying: _Flying | None = None
        # Nothing is sent before this.
        self._not_before = float("-inf")
        self._heard = 0
        self._heard_bytes = 0
        self._ended = False

    @property
    def unsent(self) -> int:
        """Typed bytes that the controller has not accepted yet."""
        flying = self._flying
        return len(self._typed) + (len(flying.packet.data) if flying else 0)

    @property
    def due(self) -> float | None:
        """When ``look`` has something to do; None: not before an event."""
        if self._ended:
            return None
        if self._flying is not None:
            return self._flying.due
        return self._not_before if self._typed else None

    def greet(self) -> Effects:
        """Take up the numbers of packets: without a character, sent once.

        Some controllers remember the last number of the activation before,
        and take a packet that happens to have it for a repetition: they
        acknowledge it, and what was typed is gone. No number follows this
        one that they could remember.
        """
        if self._sequence:
            return Effects(send=(Packet(sequence=self._sequence),))
        return Effects()

    def type(self, data: bytes, now: float) -> Effects:
        """Somebody typed."""
        room = _MOST_UNSENT - self.unsent
        self._typed += data[: max(0, room)]
        return self.look(now)

    def look(self, now: float) -> Effects:
        """Send what is due, for the first time or again."""
        if self._ended:
            return Effects()
        flying = self._flying
        if flying is None:
            return Effects(send=tuple(self._next(now)))
        if now < flying.due:
            return Effects()
        if flying.tries >= len(_PATIENCE):
            self._ended = True
            return Effects(ended=NOT_ACKNOWLEDGED)
        self._flying = _Flying(
            flying.packet, flying.tries + 1, now + _PATIENCE[flying.tries]
        )
        return Effects(send=(flying.packet,))

    def arrived(self, payload: bytes, now: float) -> Effects:
        """The controller sent a packet."""
        packet = Packet.parse(payload)
        if packet is None or self._ended:
            return Effects()
        received, answer = self._listen(packet)
        if packet.status & DEACTIVATED:
            self._ended = True
            return Effects(answer, received, NOT_OURS)
        self._acknowledge(packet, now)
        return Effects((*answer, *self._next(now)), received)

    # -- to the controller ----------------------------------------------------

    def _next(self, now: float) -> Iterator[Packet]:
        if self._flying or not self._typed or now < self._not_before:
            return
        data = bytes(self._typed[: self._largest])
        del self._typed[: self._largest]
        self._sequence = self._sequence % 15 + 1
        packet = Packet(sequence=self._sequence, data=data)
        self._flying = _Flying(packet, 1, now + _PATIENCE[0])
        yield packet

    def _acknowledge(self, packet: Packet, now: float) -> None:
        flying = self._flying
        if flying is None or packet.acknowledged != flying.packet.sequence:
            return
        self._flying = None
        if packet.status & NACK and packet.status & UNAVAILABLE:
            # The machine is off or in reset: as on a cable, characters that
            # nobody takes are gone. Otherwise they would be typed into
            # whatever boots next.
            self._typed.clear()
            return
        rest = flying.packet.data[self._taken(packet, flying) :]
        if not rest:
            return
        # Goes out in a packet of its own number (section 15.11).
        self._typed[:0] = rest
        if not packet.accepted:
            self._not_before = now + _NO_ROOM

    @staticmethod
    def _taken(packet: Packet, flying: _Flying) -> int:
        if not packet.accepted and not packet.status & NACK:
            # An acknowledgement that takes nothing contradicts itself. Some
            # controllers don't count; typing twice would be worse.
            return len(flying.packet.data)
        return packet.accepted

    # -- from the controller --------------------------------------------------

    def _listen(self, packet: Packet) -> tuple[bytes, tuple[Packet, ...]]:
        """What is new in it, and the acknowledgement."""
        if not packet.sequence:
            return b"", ()
        # What can't be acknowledged is not taken, and comes again.
        data = packet.data[:_MOST_ACCEPTED]
        # A repeated packet may have grown since.
        known = self._heard_bytes if packet.sequence == self._heard else 0
        self._heard = packet.sequence
        self._heard_bytes = max(known, len(data))
        answer = Packet(acknowledged=packet.sequence, accepted=len(data))
        return data[known:], (answer,)


def characters(size: bytes) -> int:
    """Characters in a packet for a controller that takes so many bytes.

    ``size``: two bytes of the answer to Activate Payload (table 24-2). Some
    controllers send them in the wrong order, and some mean nothing by them.
    """
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        number = int.from_bytes(size, order)
        if _HEADER < number <= 1024:
            return min(number - _HEADER, _LARGEST)
    return _WITHOUT_A_WORD


__all__ = [
    "DEACTIVATED",
    "NACK",
    "NOT_ACKNOWLEDGED",
    "NOT_OURS",
    "UNAVAILABLE",
    "Effects",
    "Packet",
    "Stream",
    "characters",
]
