# SPDX-License-Identifier: Apache-2.0
"""What is to be called later, soonest first.

Cancelled timers cost nothing but a place: they are thrown away when their
turn comes, or when there are many. Knows no clock, and calls nothing itself.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Final

# Timers that are kept before the cancelled ones are thrown away.
_KEPT: Final = 256


def _nothing() -> None:
    """What a cancelled timer calls."""


class Timer:
    """A thing that will happen: it can be cancelled."""

    __slots__ = ("call", "cancelled", "when")

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self.when = when
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """Not any more. What it would have called is let go at once."""
        self.cancelled = True
        self.call = _nothing


class Timers:
    """Owner: the pump's thread."""

    __slots__ = ("_heap", "_most", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._most = _KEPT
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, when: float, call: Callable[[], None]) -> Timer:
        """Call this then (monotonic seconds), unless it is cancelled."""
        timer = Timer(when, call)
        heapq.heappush(self._heap, (when, next(self._serial), timer))
        if len(self._heap) > self._most:
            live = [one for one in self._heap if not one[2].cancelled]
            heapq.heapify(live)
            self._heap = live
            self._most = max(_KEPT, 2 * len(live))
        return timer

    def take(self, now: float) -> Timer | None:
        """The next whose time has come; None: there is none."""
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if not timer.cancelled:
                return timer
        return None

    @property
    def due(self) -> float:
        """When the next one's time comes; infinity: there is none."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf


__all__ = ["Timer", "Timers"]
