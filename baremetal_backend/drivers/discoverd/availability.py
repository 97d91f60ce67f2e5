# SPDX-License-Identifier: Apache-2.0
"""Whether the inspection service is to be had, and when to ask again. Pure.

While it is not, the pauses between questions double, and a person hears of it
once: when the trouble begins, when it becomes another one, when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from baremetal_backend.drivers.discoverd.errors import Trouble

# Seconds of the longest pause, unless the period of polls is longer.
LONGEST_PAUSE: Final = 300.0

# A pause is so much shorter, by chance: many conductors ask one service, and
# the poll at the very end of a pause must not miss it by a hair.
_LEAST, _MOST = 0.8, 0.95


@dataclass(frozen=True, slots=True)
class Availability:
    """What is thought of the service. Times: monotonic seconds."""

    #: None: it answers, as far as is known.
    trouble: Trouble | None = None
    #: When the first of the failures in a row was.
    since: float = 0.0
    failures: int = 0
    #: Polls leave it alone before; fresh starts don't care.
    ask_at: float = float("-inf")

    def failed(
        self, trouble: Trouble, now: float, period: float, chance: float
    ) -> Availability:
        """A question was not answered.

        ``period``: seconds between polls; ``chance``: from 0 to 1. What fails
        during a pause says nothing new: many requests may be under way.
        """
        if self.trouble is not None and now < self.ask_at:
            return self
        longest = max(period, LONGEST_PAUSE)
        pause = min(period * 2.0 ** min(self.failures, 32), longest)
        pause *= _LEAST + (_MOST - _LEAST) * chance
        return Availability(
            trouble,
            self.since if self.trouble is not None else now,
            self.failures + 1,
            now + pause,
        )

    def answered(self) -> Availability:
        """A question was answered."""
        return ANSWERS

    def admits(self, now: float) -> bool:
        """Whether a poll may ask now."""
        return now >= self.ask_at

    def pause(self, now: float) -> float:
        """Seconds until a poll may ask."""
        return max(0.0, self.ask_at - now)


ANSWERS: Final = Availability()


def warning(
    before: Availability,
    after: Availability,
    why: str,
    waiting: int | None,
    now: float,
) -> str | None:
    """What a person is told of a failure; None: nothing new.

    ``why``: a sentence that says who did not answer, and how; ``waiting``:
    how many nodes wait for the service, None if that isn't known.
    """
    if after.trouble == before.trouble:
        return None
    nodes = "" if waiting is None else f" {_nodes(waiting)} for it."
    return (
        f"{why}{nodes} It is asked again in {after.pause(now):.0f} s; no "
        "inspection fails for that before [conductor]inspect_wait_timeout."
    )


def all_clear(before: Availability, where: str, now: float) -> str | None:
    """What a person is told when the service answers; None: it did before."""
    if before.trouble is None:
        return None
    return (
        f"The inspection service at {where} answers again, "
        f"{now - before.since:.0f} s after it stopped to."
    )


def _nodes(number: int) -> str:
    return "1 node waits" if number == 1 else f"{number} nodes wait"


__all__ = ["ANSWERS", "LONGEST_PAUSE", "Availability", "all_clear", "warning"]
