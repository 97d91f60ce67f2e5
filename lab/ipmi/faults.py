# SPDX-License-Identifier: Apache-2.0
"""What a bad network or a bad controller does to a datagram. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Payload types (IPMI 2.0, table 13-16).
IPMI, SOL = 0x00, 0x01
OPEN_REQUEST, OPEN_RESPONSE = 0x10, 0x11
RAKP1, RAKP2, RAKP3, RAKP4 = 0x12, 0x13, 0x14, 0x15

_HELD_BACK = 0.02

# Where the session is named. Open Session and RAKP messages have it in their
# payload, all at the same place (IPMI 2.0, tables 13-8 to 13-14).
_SESSION_AT = {None: 9, IPMI: 6, SOL: 6}
_SESSION_IN_PAYLOAD = 20


@dataclass(frozen=True)
class Faults:
    """Probabilities from 0 to 1, and seconds. All are 0 at first."""

    #: Lost, in each direction.
    drop: float = 0.0
    #: Never arrives at the controller.
    drop_requests: float = 0.0
    #: Arrives, is carried out, and the answer is lost.
    drop_replies: float = 0.0
    #: Arrives twice, in each direction.
    duplicate: float = 0.0
    #: Seconds by which each answer is late, and most seconds on top.
    delay: float = 0.0
    jitter: float = 0.0
    #: Overtaken by what comes next, in each direction.
    reorder: float = 0.0
    #: An answer that is cut off at any place. Not a request: what a
    #: controller reads in half a name is a name.
    truncate: float = 0.0
    #: An answer of random bytes.
    garbage: float = 0.0
    #: An answer that belongs to a session that nobody has.
    wrong_session: float = 0.0
    #: Payload types that suffer; empty: everything.
    only: tuple[int, ...] = ()


BLACKHOLE = Faults(drop=1.0)
MUTE = Faults(drop_replies=1.0)


def payload_type(datagram: bytes) -> int | None:
    """Of an RMCP+ datagram; None: it is something else."""
    if len(datagram) < 6 or datagram[4] != 6:
        return None
    return datagram[5] & 0x3F


def spoil(
    datagram: bytes, faults: Faults, is_reply: bool, dice: random.Random
) -> list[tuple[float, bytes]]:
    """What arrives instead: seconds later, and the bytes."""
    if faults.only and payload_type(datagram) not in faults.only:
        return [(0.0, datagram)]
    lost = faults.drop_replies if is_reply else faults.drop_requests
    if _happens(faults.drop, dice) or _happens(lost, dice):
        return []
    later = 0.0
    if is_reply:
        later = faults.delay + faults.jitter * dice.random()
        datagram = _as_answered(datagram, faults, dice)
    if _happens(faults.reorder, dice):
        later += _HELD_BACK
    copies = 2 if _happens(faults.duplicate, dice) else 1
    return [(later, datagram)] * copies


def _as_answered(
    datagram: bytes, faults: Faults, dice: random.Random
) -> bytes:
    if _happens(faults.garbage, dice):
        # The RMCP header stays, so that it is looked at.
        return datagram[:4] + dice.randbytes(max(len(datagram) - 4, 1))
    if _happens(faults.truncate, dice):
        return datagram[: dice.randrange(len(datagram))]
    if _happens(faults.wrong_session, dice):
        at = _SESSION_AT.get(payload_type(datagram), _SESSION_IN_PAYLOAD)
        other = bytes(byte ^ 0x5A for byte in datagram[at : at + 4])
        return datagram[:at] + other + datagram[at + 4 :]
    return datagram


def _happens(probability: float, dice: random.Random) -> bool:
    return probability > 0 and dice.random() < probability
