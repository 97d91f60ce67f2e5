# SPDX-License-Identifier: Apache-2.0
"""Calls that are due later, in one thread.

What is called must be quick: it hands work to a worker.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

LOG = logging.getLogger(__name__)


class Timer(Protocol):
    """Something that calls back later."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after at least this many seconds."""
        ...


class ThreadTimer:
    """The real timer. Its thread is started and joined by the runtime."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, after at least this many seconds, in order."""
        with self._changed:
            when = self._clock() + max(0.0, seconds)
            heapq.heappush(self._due, (when, next(self._number), call))
            self._changed.notify()

    def run(self) -> None:
        """The thread's body: until ``stop``."""
        while True:
            with self._changed:
                while not self._stopped:
                    # Bounded, so that a lost wake-up costs a second at most.
                    wait = 1.0
                    if self._due:
                        wait = min(wait, self._due[0][0] - self._clock())
                    if wait <= 0:
                        break
                    self._changed.wait(wait)
                if self._stopped:
                    return
                call = heapq.heappop(self._due)[2]
            try:
                call()
            except Exception:
                LOG.exception("A delayed call failed.")

    def stop(self) -> None:
        """Drop what is due and end the thread."""
        with self._changed:
            self._stopped = True
            self._due.clear()
            self._changed.notify()
