# SPDX-License-Identifier: Apache-2.0
"""A thread for each run of a periodic task.

Drivers' parallel tasks have as many threads as run at a time: a task never
overlaps itself, so that there are at most as many as tasks. All other tasks
share ``[conductor]periodic_max_workers`` of them and begin in the order in
which they were due.

A run has a thread of its own, named after its task, since it is cheap beside
a spacing of seconds, leaves nothing behind that idles, and a run that hangs
does not keep the process from ending. The libraries' pools offer none of the
three.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

LOG = logging.getLogger(__name__)

Work = Callable[[], None]


class PeriodicThreads:
    """Starts threads. Owned by the scheduler; shared by its runs."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, Work]] = deque()
        self._limited = 0
        self._running = 0
        self._stopped = False

    @property
    def running(self) -> int:
        """Runs that have a thread."""
        return self._running

    def start(self, name: str, work: Work, parallel: bool) -> None:
        """Run ``work`` now, or as soon as a thread of the few is free.

        ``work`` raises nothing. Errors: RuntimeError (no thread to be had).
        """
        with self._changed:
            if self._stopped:
                return
            if parallel:
                self._begin(name, work, parallel)
                return
            self._waiting.append((name, work))
            self._begin_waiting()

    def stop(self, seconds: float) -> bool:
        """Begin nothing more; wait for what runs. False if some still does."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            return self._changed.wait_for(lambda: not self._running, seconds)

    def _begin(self, name: str, work: Work, parallel: bool) -> None:
        thread = threading.Thread(
            target=self._run,
            args=(work, parallel),
            name=f"periodic-{name}",
            daemon=True,
        )
        thread.start()
        self._running += 1
        self._limited += not parallel

    def _run(self, work: Work, parallel: bool) -> None:
        try:
            work()
        finally:
            with self._changed:
                self._running -= 1
                self._limited -= not parallel
                self._begin_waiting()
                self._changed.notify_all()

    def _begin_waiting(self) -> None:
        while self._waiting and self._limited < max(1, self._limit()):
            name, work = self._waiting[0]
            try:
                self._begin(name, work, parallel=False)
            except RuntimeError:
                # No thread to be had; the next start tries again.
                LOG.error("No thread for periodic task %s.", name)
                return
            self._waiting.popleft()


__all__ = ["PeriodicThreads"]
