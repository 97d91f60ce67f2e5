# SPDX-License-Identifier: Apache-2.0
"""How the runs of periodic tasks went: counted here, shown by API and metrics.

Owned by the scheduler, which tells it what happens; read by everybody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from baremetal_backend.conductor.periodic.collect import Found, Key
from baremetal_backend.core.schedule import Timing
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.interface import PeriodicTaskInfo


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    seconds: float
    #: What went wrong; None: nothing.
    error: str | None = None
    report: Mapping[str, float] | None = None


class Statistics:
    """One record per task; each change makes a new one."""

    def __init__(
        self, clock: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tasks: dict[Key, PeriodicTaskInfo] = {}

    def snapshot(self) -> tuple[PeriodicTaskInfo, ...]:
        """All tasks, by name."""
        with self._lock:
            found = list(self._tasks.values())
        return tuple(sorted(found, key=lambda one: one.name))

    def planned(self, found: Found, timing: Timing) -> None:
        """A task is known, or its timing changed."""
        plan, due = timing.plan, timing.due
        with self._lock:
            before = self._tasks.get(found.key) or _blank(found)
            self._tasks[found.key] = replace(
                before,
                spacing=plan.spacing,
                enabled=plan.enabled,
                missed=timing.missed,
                next_run_at=None if due is None else self._wall(due),
            )

    def removed(self, key: Key) -> None:
        """The task ended itself: what it did stays visible."""
        with self._lock:
            before = self._tasks[key]
            self._tasks[key] = replace(before, enabled=False, next_run_at=None)

    def began(self, key: Key, lag: float) -> None:
        """A run began, ``lag`` seconds late."""
        with self._lock:
            self._tasks[key] = replace(
                self._tasks[key],
                running=True,
                lag=round(lag, 6),
                last_started_at=timestamp(self._clock()),
            )

    def ended(self, key: Key, outcome: Outcome) -> PeriodicTaskInfo:
        """A run ended. Returns the record as it was before that."""
        failed = outcome.error is not None
        with self._lock:
            before = self._tasks[key]
            self._tasks[key] = replace(
                before,
                running=False,
                runs=before.runs + 1,
                failures=before.failures + failed,
                consecutive_failures=(
                    before.consecutive_failures + 1 if failed else 0
                ),
                last_ended_at=timestamp(self._clock()),
                last_seconds=round(outcome.seconds, 6),
                last_result="failed" if failed else "done",
                last_error=outcome.error,
                last_report=outcome.report,
            )
        return before

    def last_error(self, key: Key) -> str | None:
        """What the last run said when it failed; None: it did not."""
        with self._lock:
            return self._tasks[key].last_error

    def _wall(self, due: float) -> str:
        return timestamp(self._clock() + due - self._monotonic())


def _blank(found: Found) -> PeriodicTaskInfo:
    return PeriodicTaskInfo(
        name=found.name,
        purpose=found.nodes.purpose if found.nodes else None,
        spacing=0.0,
        enabled=False,
        parallel=found.task.parallel,
        overrun=found.task.overrun.value,
    )


__all__ = ["Outcome", "Statistics"]
