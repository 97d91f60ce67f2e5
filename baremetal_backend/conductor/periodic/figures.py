# SPDX-License-Identifier: Apache-2.0
"""The statistics of periodic tasks as figures."""

from __future__ import annotations

from collections.abc import Iterable

from baremetal_backend.conductor.periodic.statistics import Statistics
from baremetal_backend.core.figures import (
    Figure,
    Quantity,
    Source,
    of_each,
)
from baremetal_backend.rpc.interface import PeriodicTaskInfo

_OUTCOMES = ("looked_at", "acted", "skipped", "failed")

_QUANTITIES: tuple[Quantity[PeriodicTaskInfo], ...] = (
    ("enabled", "gauge", "Whether it is switched on.", lambda t: t.enabled),
    ("running", "gauge", "Whether it runs now.", lambda t: t.running),
    (
        "spacing_seconds",
        "gauge",
        "Seconds between two runs.",
        lambda t: t.spacing,
    ),
    (
        "consecutive_failures",
        "gauge",
        "Runs that failed since one was done.",
        lambda t: t.consecutive_failures,
    ),
    (
        "last_run_seconds",
        "gauge",
        "How long the last run took.",
        lambda t: t.last_seconds,
    ),
    (
        "lag_seconds",
        "gauge",
        "How late the last run began.",
        lambda t: t.lag,
    ),
    ("runs", "counter", "Runs that ended.", lambda t: t.runs),
    ("failures", "counter", "Runs that failed.", lambda t: t.failures),
    (
        "missed",
        "counter",
        "Runs that were due and did not take place.",
        lambda t: t.missed,
    ),
)


def figures(statistics: Statistics) -> Source:
    """What is shown of all tasks."""

    def source() -> Iterable[Figure]:
        tasks = statistics.snapshot()
        yield from of_each("periodic", "task", _QUANTITIES, tasks)
        yield Figure(
            "periodic_nodes",
            "Nodes in the last run, by what became of them.",
            "gauge",
            ("task", "outcome"),
            tuple(
                ((one.name, outcome), one.last_report[outcome])
                for one in tasks
                if one.last_report is not None
                for outcome in _OUTCOMES
            ),
        )

    return source


__all__ = ["figures"]
