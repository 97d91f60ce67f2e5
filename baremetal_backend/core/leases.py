# SPDX-License-Identifier: Apache-2.0
"""Who waits for a node and for how long, and what takes a node away.

Pure decisions about leases. Seconds are those of a monotonic clock of the
process that decides; times of other machines are only shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_backend.core.lanes import BACKGROUND
from baremetal_backend.core.records import Lease
from baremetal_backend.core.states import INSPECTWAIT

# Background work of another process tells nobody when it ends.
_SHORTEST_WAIT = 0.05

# Seconds. A service that inspects nodes gives up a whole inspection when one
# of its requests is refused; what has the node meanwhile is a power change
# that it asked for itself.
_LEAST = {INSPECTWAIT: 30.0}


def least_patience(provision_state: str) -> float:
    """Seconds that a request waits for a node in this state at least."""
    return _LEAST.get(provision_state, 0.0)


@dataclass(frozen=True, slots=True)
class Busy:
    """Background work does not get the node now. A normal answer."""

    node_uuid: str
    #: A sentence: who has the node, or what else is in the way.
    reason: str
    #: The lease that the node is in, where that is the reason.
    lease: Lease | None = None


def in_use(lease: Lease) -> str:
    """``used by one for power on since 2026-...``."""
    return (
        f"used by {lease.holder} for {lease.purpose} since {lease.acquired_at}"
    )


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after this many seconds, or as soon as the node is free."""

    seconds: float
    #: Whether this uses up one of the attempts.
    counted: bool


@dataclass(frozen=True, slots=True)
class TakeAway:
    """End the lease in the way: it is background work and took too long."""

    lease: Lease
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the client that the node is locked."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client's request tries to get a node."""

    #: Further attempts after the first.
    attempts: int
    #: Seconds between two.
    interval: float
    #: Seconds that background work may keep a request waiting.
    background_limit: float

    def next_move(
        self,
        lease: Lease | None,
        used: int,
        watched: float,
        owed: float = 0.0,
    ) -> Wait | TakeAway | GiveUp:
        """What to do about a node that could not be had.

        ``lease``: who has it, as far as known. ``used``: attempts so far
        after the first. ``watched``: seconds since this request first saw
        this lease. Background work uses up no attempt: it ends soon, or it is
        ended. ``owed``: seconds that the request goes on when its attempts
        are used up; see ``least_patience``.
        """
        if lease is not None and lease.lane == BACKGROUND:
            left = self.background_limit - watched
            if left <= 0:
                reason = (
                    f"{lease.purpose} had the node for more than "
                    f"{self.background_limit:g} s while a request waited"
                )
                return TakeAway(lease, reason)
            wait = max(self.interval, _SHORTEST_WAIT)
            return Wait(min(wait, left), counted=False)
        # It became free just now, maybe from background work: once more.
        grace = 1 if lease is None else 0
        if used < self.attempts + grace:
            return Wait(self.interval, counted=True)
        if owed > 0:
            wait = max(self.interval, _SHORTEST_WAIT)
            return Wait(min(wait, owed), counted=False)
        return GiveUp()


@dataclass(frozen=True, slots=True)
class Stalled:
    """An operation whose thread gives no sign of life."""

    node_uuid: str
    purpose: str
    token: int
    seconds: float

    @property
    def reason(self) -> str:
        """The sentence for ``last_error``, log and history."""
        return (
            f"{self.purpose} gave no sign of life for {self.seconds:.0f} s "
            "([conductor]stalled_work_timeout)."
        )


def stalled(
    node_uuid: str,
    purpose: str,
    token: int,
    silence: float,
    timeout: float,
) -> Stalled | None:
    """Whether an operation is given up that does not pause.

    ``silence``: seconds since its thread began, saved, or went on after a
    pause.
    """
    if silence < timeout:
        return None
    return Stalled(node_uuid, purpose, token, silence)


__all__ = [
    "Busy",
    "GiveUp",
    "Patience",
    "Stalled",
    "TakeAway",
    "Wait",
    "in_use",
    "least_patience",
    "stalled",
]
