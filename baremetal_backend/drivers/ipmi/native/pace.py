# SPDX-License-Identifier: Apache-2.0
"""When to send again. Pure.

A repetition comes after a few times the round trip that was measured, then
later and later. ``chance`` is a number from 0 up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Seconds. A controller that is idle answers within 100 ms; much below 0.3 s a
# busy host of ours would repeat for its own sake.
_SHORTEST: Final = 0.27
_LONGEST: Final = 2.0
_GROWTH: Final = 1.15
_ROUND_TRIPS: Final = 3.0
_NEWEST: Final = 0.25
_UNSURE: Final = 0.05
_MOST_UNSURE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of a controller's speed."""

    #: Smoothed round trip in seconds; None: never measured.
    round_trip: float | None = None

    def measured(self, seconds: float, tries: int) -> Pace:
        """A request was answered so long after it was sent first.

        After a repetition nobody knows what was answered. Then it counts for
        less: where something was lost it would be too long, but where all
        answers are late nothing else is ever measured.
        """
        old = self.round_trip
        if old is None:
            return Pace(seconds if tries == 1 else None)
        if tries == 1:
            return Pace(old + _NEWEST * (seconds - old))
        return Pace(old + _UNSURE * (min(seconds, _MOST_UNSURE) - old))

    def wait(self, tries: int, chance: float) -> float:
        """Seconds until the next repetition, after ``tries`` sendings."""
        first = max(_SHORTEST, _ROUND_TRIPS * (self.round_trip or 0.0))
        wait = min(first * _GROWTH ** (tries - 1), max(_LONGEST, first))
        return min(wait, 2 * _LONGEST) * (0.9 + 0.2 * chance)


__all__ = ["Pace"]
