# SPDX-License-Identifier: Apache-2.0
"""What the service's record means for a node that waits.

Looks at ``finished`` and never at the service's name of a state: that one is
written earlier than the rest. A record that is not of the present attempt
says nothing. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.ports import Status

#: Polls in a row that don't find a record, until there is none any more.
MOST_MISSES = 2

NEVER_BEGUN = (
    "the node waits for an inspection that this inspect_interface did not "
    "begin; inspect the node again."
)
FORGOTTEN = (
    "the inspection service accepted the node, and has no record of this "
    "inspection any more: it lost its database, or somebody removed the "
    "record. Inspect the node again."
)


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The service has not begun, as far as is known: ask it."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The service is at it."""


@dataclass(frozen=True, slots=True)
class Done:
    """It ended well."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended badly, for good."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A record that should be there is not: look again before it counts."""


Verdict = NotStarted | Waits | Done | Failed | Missing


def judge(
    attempt: Attempt | None, status: Status | None, misses: int = 0
) -> Verdict:
    """What to do about a node in "inspect wait".

    ``status``: the service's record of the node; None: it has none.
    ``misses``: in how many polls in a row it was missed before this one.
    """
    if attempt is None:
        return Failed(NEVER_BEGUN)
    if status is None or not attempt.owns(status):
        if not attempt.answered:
            return NotStarted()
        last = misses + 1 >= MOST_MISSES
        return Failed(FORGOTTEN) if last else Missing()
    if not status.finished:
        return Waits()
    if status.error:
        return Failed(f"the inspection service says: {status.error}")
    return Done()


__all__ = [
    "FORGOTTEN",
    "MOST_MISSES",
    "NEVER_BEGUN",
    "Done",
    "Failed",
    "Missing",
    "NotStarted",
    "Verdict",
    "Waits",
    "judge",
]
