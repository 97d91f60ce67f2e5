# SPDX-License-Identifier: Apache-2.0
"""Three lanes of work, so that one kind never takes all hands.

``operator``
    what a person or a client waits for: power, VIFs, boot devices
``provisioning``
    verbs, which take minutes
``background``
    what nobody asked for: periodic tasks, polls, takeovers

Here are the decisions: whether work is let in, and when it is worth to ask
again. They know neither threads nor clocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LaneName = Literal["operator", "provisioning", "background"]

OPERATOR: LaneName = "operator"
PROVISIONING: LaneName = "provisioning"
BACKGROUND: LaneName = "background"

LANES: tuple[LaneName, ...] = (OPERATOR, PROVISIONING, BACKGROUND)

# Whoever is refused comes back neither at once nor after a coffee.
_SOONEST, _LATEST = 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFigures:
    """A lane at one moment."""

    name: LaneName
    #: Pieces of work that may run at the same time.
    size: int
    #: Pieces that run.
    busy: int = 0
    #: Pieces that pause, and hold no thread.
    paused: int = 0
    #: Pieces that paused, could go on and wait for a thread.
    waiting: int = 0
    #: Seconds that the first of them has been waiting.
    oldest_wait: float = 0.0
    #: Pieces that were let in, and refused, since the start.
    admitted: int = 0
    refused: int = 0
    #: Seconds that a piece has a thread, on average of the latest ones.
    mean_seconds: float = 0.0

    @property
    def occupied(self) -> int:
        """Places that are not free."""
        return self.busy + self.waiting

    @property
    def percent(self) -> float:
        """How full it is; over 100 while work that paused wants to go on."""
        return 100.0 * self.occupied / self.size


def refusal(
    lane: LaneFigures,
    before: Iterable[LaneFigures] = (),
    shed_above: float = 100.0,
) -> str | None:
    """Why the lane takes no more work now, None if it does.

    ``before``: lanes whose work matters more. While one of them is more than
    ``shed_above`` percent full, this one takes nothing new.
    """
    for other in before:
        if other.percent > shed_above:
            return (
                f"the {other.name} lane is {other.percent:.0f} % full, and "
                f"{lane.name} work waits above {shed_above:g} %"
            )
    if lane.occupied >= lane.size:
        return f"all {lane.size} workers of the {lane.name} lane are busy"
    return None


def retry_after(lane: LaneFigures) -> float:
    """Seconds after which a place is likely to be free: 1 to 60, whole.

    The places are given back evenly; those who wait already are served first.
    """
    ahead = 1 + max(0, lane.occupied - lane.size)
    wait = lane.mean_seconds * ahead / lane.size
    return float(math.ceil(min(_LATEST, max(_SOONEST, wait))))


__all__ = [
    "BACKGROUND",
    "LANES",
    "OPERATOR",
    "PROVISIONING",
    "LaneFigures",
    "LaneName",
    "refusal",
    "retry_after",
]
