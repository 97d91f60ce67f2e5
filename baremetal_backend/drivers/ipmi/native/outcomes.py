# SPDX-License-Identifier: Apache-2.0
"""How a command ends: what an answer means, and why there was none. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from baremetal_backend.drivers.ipmi.command import Response
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    IpmiError,
    ProtocolViolation,
    Refused,
    Unanswered,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.events import Answer
from baremetal_backend.drivers.ipmi.native.session import refusal_text
from baremetal_backend.drivers.ipmi.native.work import Work

# Completion codes (IPMI 2.0, table 5-2).
_NODE_BUSY: Final = 0xC0
_INSUFFICIENT_PRIVILEGE: Final = 0xD4

# Seconds after which a controller that is busy is asked again.
_BUSY_PAUSE: Final = 0.5

MAY_HAVE_BEEN: Final = (
    "it was sent once, and nothing came back: it may have been carried out"
)


@dataclass(frozen=True, slots=True)
class Again:
    """Ask once more, then."""

    at: float


def failure(
    work: Work, error: type[IpmiError], detail: str, now: float
) -> IpmiError:
    """An error that says what was asked of whom, and for how long."""
    took = now - work.submitted
    return error(work.bmc.where, work.command.name, took, detail)


def cut_short(work: Work, why: str, now: float) -> IpmiError:
    """It ends from our side, whatever became of it."""
    if work.sent and not work.command.repeatable:
        return failure(work, Unanswered, f"{MAY_HAVE_BEEN} ({why})", now)
    return failure(work, Unreachable, why, now)


def of_answer(
    work: Work, answer: Answer, now: float
) -> Response | IpmiError | Again:
    """What a completion code means."""
    code, command = answer.code, work.command
    if not code:
        return Response(answer.data)
    if code == _NODE_BUSY:
        if command.repeatable and work.deadline > now + _BUSY_PAUSE:
            return Again(now + _BUSY_PAUSE)
        return failure(work, Busy, "it has no time (0xc0)", now)
    if code == _INSUFFICIENT_PRIVILEGE:
        name = work.bmc.privilege.name
        detail = f"privilege {name} is not enough for this (0xd4)"
        return failure(work, BadCredentials, detail, now)
    return Refused(
        work.bmc.where,
        command.name,
        now - work.submitted,
        refusal_text(command.netfn, command.number, code),
        code,
    )


def of_silence(
    work: Work,
    now: float,
    *,
    waited_for: str,
    sent: int,
    full: str | None,
    rubbish: str | None,
    unsent: str | None = None,
) -> IpmiError:
    """The deadline passed.

    ``sent``: datagrams; ``full``: what it said when it had no session left;
    ``rubbish``: why its last datagram made no sense; ``unsent``: why our last
    one could not be sent.
    """
    if work.sent and not work.command.repeatable:
        return failure(work, Unanswered, MAY_HAVE_BEEN, now)
    if full is not None:
        return failure(work, Busy, full, now)
    if rubbish is not None:
        return failure(
            work,
            ProtocolViolation,
            f"what it answers is no IPMI ({rubbish}); we waited for "
            f"{waited_for}",
            now,
        )
    detail = f"no answer to {sent} datagrams; we waited for {waited_for}"
    if unsent is not None:
        detail += f"; the last one could not be sent: {unsent}"
    return failure(work, Unreachable, detail, now)


__all__ = [
    "MAY_HAVE_BEEN",
    "Again",
    "cut_short",
    "failure",
    "of_answer",
    "of_silence",
]
