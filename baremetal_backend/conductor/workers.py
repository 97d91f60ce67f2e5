# SPDX-License-Identifier: Apache-2.0
"""Threads for long work, in three lanes with a cap of their own each.

A lane admits as many pieces of work as it has threads: what is admitted runs
at once, what is not is refused at once. Nothing waits in a queue where nobody
sees it. Work that was admitted before and pauses gives its place back and
gets one again when it goes on (``go_on`` never refuses, and may wait: the
lane's figures show how many do, and for how long).

The background lane lets in nothing new while another lane is nearly full.

The standard library's pool is used, not futurist's: that one's threads have
no names, each wakes every second, and it starts a thread for every piece of
work until it is full.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from baremetal_backend.conductor.timer import Timer
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core import lanes
from baremetal_backend.core.errors import NoFreeWorker
from baremetal_backend.core.lanes import LaneFigures, LaneName

LOG = logging.getLogger(__name__)

# How much one more piece of work moves the average time of a piece.
_WEIGHT = 0.1


class Lane:
    """A pool of named threads. Owned by the runtime, which stops it."""

    def __init__(
        self,
        name: LaneName,
        size: int,
        before: Sequence[Lane] = (),
        shed_above: float = 100.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.size = size
        self._before = tuple(before)
        self._shed_above = shed_above
        self._clock = clock
        self._lock = threading.Lock()
        self._busy = 0
        self._paused = 0
        # Number of a piece to when it wanted to go on; the first is oldest.
        self._ready: dict[int, float] = {}
        self._number = itertools.count()
        self._admitted = 0
        self._refused = 0
        self._mean = 0.0
        self._pool = ThreadPoolExecutor(
            max_workers=size, thread_name_prefix=f"baremetal-{name}"
        )

    def figures(self) -> LaneFigures:
        """How full the lane is now."""
        with self._lock:
            return self._figures()

    def _figures(self) -> LaneFigures:
        first = next(iter(self._ready.values()), None)
        return LaneFigures(
            name=self.name,
            size=self.size,
            busy=self._busy,
            paused=self._paused,
            waiting=len(self._ready),
            oldest_wait=0.0 if first is None else self._clock() - first,
            admitted=self._admitted,
            refused=self._refused,
            mean_seconds=self._mean,
        )

    # -- new work -------------------------------------------------------------

    def admit(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread now. Errors: NoFreeWorker."""
        self._enter()
        began = self._clock()
        self._submit(lambda: self._run(work, began), self._leave)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for work in the caller's own thread.

        Errors: NoFreeWorker.
        """
        self._enter()
        began = self._clock()
        try:
            yield
        finally:
            self._leave(began)

    def refusal(self) -> str | None:
        """Why new work would be refused now; None: it would be let in."""
        others = [lane.figures() for lane in self._before]
        return lanes.refusal(self.figures(), others, self._shed_above)

    def _enter(self) -> None:
        others = [lane.figures() for lane in self._before]
        with self._lock:
            present = self._figures()
            reason = lanes.refusal(present, others, self._shed_above)
            if reason is None:
                self._busy += 1
                self._admitted += 1
                return
            self._refused += 1
        LOG.debug("Refused: %s.", reason)
        raise NoFreeWorker(retry_after=lanes.retry_after(present))

    def _leave(self, began: float | None = None) -> None:
        with self._lock:
            self._busy -= 1
            if began is not None:
                took = self._clock() - began
                weight = _WEIGHT if self._mean else 1.0
                self._mean += weight * (took - self._mean)

    # -- work that was admitted before ----------------------------------------

    def later(
        self, timer: Timer, seconds: float, work: Callable[[], None]
    ) -> None:
        """Run the rest of admitted work after a pause."""
        with self._lock:
            self._paused += 1

        def wake() -> None:
            with self._lock:
                self._paused -= 1
            self.go_on(work)

        timer.call_later(seconds, wake)

    def go_on(self, work: Callable[[], None]) -> None:
        """Run the rest of admitted work as soon as a thread is free.

        Errors: NoFreeWorker when the lane was stopped.
        """
        with self._lock:
            number = next(self._number)
            self._ready[number] = self._clock()

        def run() -> None:
            with self._lock:
                del self._ready[number]
                self._busy += 1
            self._run(work, self._clock())

        def forget() -> None:
            with self._lock:
                del self._ready[number]

        self._submit(run, forget)

    def stop(self) -> None:
        """Take nothing more; threads that still run are left alone."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(
        self, run: Callable[[], None], undo: Callable[[], None]
    ) -> None:
        try:
            self._pool.submit(run)
        except RuntimeError:
            undo()
            raise NoFreeWorker(retry_after=5.0) from None

    def _run(self, work: Callable[[], None], began: float) -> None:
        try:
            work()
        except Exception:
            LOG.exception("Work in lane %s failed.", self.name)
        finally:
            self._leave(began)


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of one conductor."""

    operator: Lane
    provisioning: Lane
    background: Lane

    def of(self, name: LaneName) -> Lane:
        """The lane with this name."""
        found: Lane = getattr(self, name)
        return found

    def figures(self) -> tuple[LaneFigures, ...]:
        """All of them, at this moment."""
        return tuple(self.of(name).figures() for name in lanes.LANES)

    def stop(self) -> None:
        """Stop all of them."""
        for name in lanes.LANES:
            self.of(name).stop()


def make_lanes(
    settings: ConductorSettings,
    clock: Callable[[], float] = time.monotonic,
) -> Lanes:
    """The lanes as they are configured. Starts no thread."""
    operator = Lane(lanes.OPERATOR, settings.operator_workers, clock=clock)
    provisioning = Lane(
        lanes.PROVISIONING, settings.workers_pool_size, clock=clock
    )
    background = Lane(
        lanes.BACKGROUND,
        settings.background_workers,
        before=(operator, provisioning),
        shed_above=settings.background_shed_above,
        clock=clock,
    )
    return Lanes(operator, provisioning, background)
