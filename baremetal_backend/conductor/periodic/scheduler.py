# SPDX-License-Identifier: Apache-2.0
"""Runs periodic tasks when they are due.

One thread watches the clock and begins runs in threads of their own; what
is due when is decided by ``core.schedule``. Whatever a run raises is logged
and counted, and the task is due again as ever: with the traceback the first
time and when it says something new, in one line as long as it goes on alike.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oslo_context.context import RequestContext

from baremetal_backend.conductor.node_periodic import Report, sentence_of
from baremetal_backend.conductor.periodic.collect import Found, Key
from baremetal_backend.conductor.periodic.statistics import (
    Outcome,
    Statistics,
)
from baremetal_backend.conductor.periodic.threads import PeriodicThreads
from baremetal_backend.core.errors import BackendError, ShuttingDown
from baremetal_backend.core.schedule import (
    Begin,
    Overran,
    Plan,
    Timing,
    ended,
    replan,
    start,
    tick,
)

LOG = logging.getLogger(__name__)

#: What a task does in one run.
Call = Callable[[RequestContext], Report | None]

# Longest sleep, so that a lost wake-up costs little.
_LONGEST_SLEEP = 60.0


@dataclass(slots=True)
class _Task:
    found: Found
    call: Call
    timing: Timing


class Scheduler:
    """Owned by ``Periodics``; its thread is in ``runtime``'s table."""

    def __init__(
        self,
        statistics: Statistics,
        threads: PeriodicThreads,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._statistics = statistics
        self._threads = threads
        self._monotonic = monotonic
        self._chance = chance
        self._changed = threading.Condition()
        self._tasks: dict[Key, _Task] = {}
        self._stopped = False

    def add(self, found: Found, call: Call, plan: Plan) -> bool:
        """Run a task from now on. Whether it is enabled.

        A task that is there already stays as it is.
        """
        with self._changed:
            task = self._tasks.get(found.key)
            if task is None:
                timing = start(plan, self._monotonic(), self._chance())
                task = _Task(found, call, timing)
                self._tasks[found.key] = task
                self._statistics.planned(found, timing)
                self._changed.notify()
            return task.timing.plan.enabled

    def replan(self, plans: Iterable[tuple[Key, Plan]]) -> None:
        """Take over new spacings and enablement."""
        with self._changed:
            for key, plan in plans:
                task = self._tasks.get(key)
                if task is None or task.timing.plan == plan:
                    continue
                LOG.info(
                    "Periodic task %s: %s.",
                    task.found.name,
                    f"every {plan.spacing:g} s" if plan.enabled else "off",
                )
                self._set(
                    task,
                    replan(
                        task.timing, plan, self._monotonic(), self._chance()
                    ),
                )
            self._changed.notify()

    @property
    def tasks(self) -> tuple[Found, ...]:
        """All that were added and did not end themselves."""
        with self._changed:
            return tuple(task.found for task in self._tasks.values())

    def run(self) -> None:
        """The thread's body: until ``stop``."""
        while True:
            self.step()
            with self._changed:
                if self._stopped:
                    return
                wait = self._until_next()
                if wait > 0:
                    self._changed.wait(min(wait, _LONGEST_SLEEP))

    def stop(self) -> None:
        """End the thread; begin nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def step(self) -> None:
        """Begin all runs that are due."""
        with self._changed:
            if self._stopped:
                return
            now = self._monotonic()
            begun = [
                (task, now - begin.lag)
                for task in self._tasks.values()
                if (begin := self._tick(task, now)) is not None
            ]
        for task, due in begun:
            self._begin(task, due)

    def _tick(self, task: _Task, now: float) -> Begin | None:
        timing, outcome = tick(task.timing, now, self._chance())
        if timing is task.timing:
            return None
        self._set(task, timing)
        if isinstance(outcome, Overran) and outcome.first:
            LOG.warning(
                "Periodic task %s still runs after its spacing of %g s; %s.",
                task.found.name,
                timing.plan.spacing,
                "the next run follows at once"
                if timing.queued
                else "runs that are due are left out until it ends",
            )
        return outcome if isinstance(outcome, Begin) else None

    def _set(self, task: _Task, timing: Timing) -> None:
        task.timing = timing
        self._statistics.planned(task.found, timing)

    def _until_next(self) -> float:
        due = [
            task.timing.due
            for task in self._tasks.values()
            if task.timing.due is not None
        ]
        return min(due, default=float("inf")) - self._monotonic()

    def _begin(self, task: _Task, due: float) -> None:
        try:
            self._threads.start(
                task.found.name,
                lambda: self._run(task, due),
                task.found.task.parallel,
            )
        except RuntimeError as error:
            LOG.error(
                "Periodic task %s: no thread: %s", task.found.name, error
            )
            self._statistics.began(task.found.key, 0.0)
            self._end(task, Outcome(0.0, str(error)), again=True)

    def _run(self, task: _Task, due: float) -> None:
        began = self._monotonic()
        self._statistics.began(task.found.key, max(0.0, began - due))
        again, error, report = True, None, None
        try:
            report = task.call(RequestContext(is_admin=True))
        except BaseException as raised:
            again = not _ends_itself(raised)
            # A service that stops is no fault of a task.
            if again and not isinstance(raised, ShuttingDown):
                error = self._complain(task, raised)
        seconds = self._monotonic() - began
        figures = report.figures() if report is not None else None
        self._end(task, Outcome(seconds, error, figures), again)

    def _end(self, task: _Task, outcome: Outcome, again: bool) -> None:
        key = task.found.key
        before = self._statistics.ended(key, outcome)
        if before.consecutive_failures and outcome.error is None:
            LOG.info(
                "Periodic task %s works again after %d failed runs.",
                task.found.name,
                before.consecutive_failures,
            )
        with self._changed:
            if again:
                self._set(task, ended(task.timing, self._monotonic()))
            else:
                LOG.info("Periodic task %s ended itself.", task.found.name)
                self._tasks.pop(key, None)
                self._statistics.removed(key)
            self._changed.notify()

    def _complain(self, task: _Task, raised: BaseException) -> str:
        sentence = sentence_of(raised)
        known = self._statistics.last_error(task.found.key) == sentence
        fault = not isinstance(raised, BackendError) and not known
        LOG.error(
            "Periodic task %s failed: %s",
            task.found.name,
            sentence,
            exc_info=raised if fault else None,
        )
        return sentence


def _ends_itself(raised: BaseException) -> bool:
    """Whether it is futurist's NeverAgain, without importing futurist."""
    return any(
        (cls.__module__, cls.__name__) == ("futurist.periodics", "NeverAgain")
        for cls in type(raised).__mro__
    )


__all__ = ["Call", "Scheduler"]
