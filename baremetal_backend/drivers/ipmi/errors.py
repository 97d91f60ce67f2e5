# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a management controller, and whether to try again.

The tree::

    IpmiError
     +-- Unreachable         no answer: it may come back, ask later
     |    +-- Unanswered     sent once, unknown whether it was carried out
     +-- BadCredentials      user, password, privilege or cipher suite: a
     |                       person has to change something
     +-- Busy                out of sessions, or told us to wait: ask later,
     |    |                  and not soon
     |    +-- Taken          somebody else has its serial line
     +-- ProtocolViolation   it answered rubbish: ask once more in a session
     |                       of its own, then give up
     +-- Refused             a completion code that means no: don't ask again

No text holds a secret, and none is empty. ``where`` is ``host:port``,
``tried`` says what was asked for, ``seconds`` for how long.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Kind = Literal[
    "unreachable", "bad_credentials", "busy", "protocol_violation", "refused"
]

KINDS: tuple[Kind, ...] = (
    "unreachable",
    "bad_credentials",
    "busy",
    "protocol_violation",
    "refused",
)


class IpmiError(Exception):
    """Root. ``detail`` goes on after the colon; it is never empty."""

    kind: ClassVar[Kind] = "unreachable"
    #: Whether the same command has a chance, without anybody's doing.
    retriable: ClassVar[bool] = True
    #: Least seconds until then.
    pause: ClassVar[float] = 1.0
    #: Seconds until background work is let through again: nothing was sent,
    #: and the text tells of an earlier question. None: it was asked.
    retry_after: float | None = None

    def __init__(
        self, where: str, tried: str, seconds: float, detail: str
    ) -> None:
        super().__init__(
            f"{where}: {tried} failed after {seconds:.1f} s: {detail}"
        )
        self.where = where
        self.tried = tried
        self.seconds = seconds
        self.detail = detail


class Unreachable(IpmiError):
    """Nothing came back."""


class Unanswered(Unreachable):
    """It was sent once, and is not sent again: look what became of it."""

    retriable = False


class BadCredentials(IpmiError):
    """It knows us not, or not for this."""

    kind = "bad_credentials"
    retriable = False
    pause = 60.0


class Busy(IpmiError):
    """It has no session, or no time, for us now."""

    kind = "busy"
    pause = 30.0


class Taken(Busy):
    """Serial over LAN is active for somebody else."""

    pause = 5.0


class ProtocolViolation(IpmiError):
    """What it sent is not IPMI, or not an answer to what was asked."""

    kind = "protocol_violation"


class Refused(IpmiError):
    """A completion code other than 0 (IPMI 2.0, table 5-2)."""

    kind = "refused"
    retriable = False

    def __init__(
        self, where: str, tried: str, seconds: float, detail: str, code: int
    ) -> None:
        super().__init__(where, tried, seconds, f"{detail} (0x{code:02x})")
        self.code = code


__all__ = [
    "KINDS",
    "BadCredentials",
    "Busy",
    "IpmiError",
    "Kind",
    "ProtocolViolation",
    "Refused",
    "Taken",
    "Unanswered",
    "Unreachable",
]
