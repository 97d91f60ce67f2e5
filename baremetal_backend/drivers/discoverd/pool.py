# SPDX-License-Identifier: Apache-2.0
"""The threads that ask the inspection service about single nodes.

They are as many as requests may be under way, and die with the process: a
request that hangs holds nobody up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

Work = Callable[[], None]

# Seconds that work has to end when the pool stops.
_PATIENCE: Final = 3.0


class Pool(Protocol):
    """Runs work in other threads than the caller's."""

    def start(self) -> None:
        """Begin to run what is put."""
        ...

    def stop(self) -> None:
        """Drop what waits, and give the rest a few seconds."""
        ...

    def put(self, work: Work, urgent: bool = False) -> None:
        """Run this soon. ``work`` raises nothing."""
        ...


class Threads:
    """``baremetal-discoverd-N``. Owned and joined by the equipment."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._urgent: deque[Work] = deque()
        self._waiting: deque[Work] = deque()
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def start(self) -> None:
        """Begin to run what is put."""
        for number in range(self._number):
            thread = threading.Thread(
                target=self._run,
                name=f"baremetal-discoverd-{number}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Drop what waits, and give the rest three seconds in all."""
        with self._changed:
            self._stopping = True
            self._urgent.clear()
            self._waiting.clear()
            self._changed.notify_all()
        until = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def put(self, work: Work, urgent: bool = False) -> None:
        """Run this soon; urgent work before all that is not."""
        with self._changed:
            if self._stopping:
                return
            (self._urgent if urgent else self._waiting).append(work)
            self._changed.notify()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Work | None:
        with self._changed:
            # An idle thread waits for work as long as the process lives.
            self._changed.wait_for(
                lambda: self._stopping or self._urgent or self._waiting
            )
            if self._stopping:
                return None
            return (self._urgent or self._waiting).popleft()


__all__ = ["Pool", "Threads", "Work"]
