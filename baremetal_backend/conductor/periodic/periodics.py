# SPDX-License-Identifier: Apache-2.0
"""All periodic tasks of a conductor, from their marks to their end.

Owned by the runtime: ``start`` collects what is marked and begins,
``reload`` looks options up anew, ``stop`` ends. Two threads and more: one
watches the clock, and each run has its own (``threads``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from baremetal_backend.conductor.history_cap import HistoryCap
from baremetal_backend.conductor.node_periodic import (
    NodePeriodicRun,
    Report,
    Tasks,
)
from baremetal_backend.conductor.own_nodes import OwnNodes, Owns
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.periodic.collect import (
    Found,
    Key,
    collect,
    describe,
    plan,
)
from baremetal_backend.conductor.periodic.driver_calls import DriverCalls
from baremetal_backend.conductor.periodic.scheduler import Call, Scheduler
from baremetal_backend.conductor.periodic.threads import PeriodicThreads
from baremetal_backend.conductor.waiting_timeouts import WaitingTimeouts
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.schedule import Plan
from baremetal_backend.storage.node_scan import NodeScan

LOG = logging.getLogger(__name__)


class Periodics:
    """See the module. ``own``: objects with the conductor's own tasks."""

    def __init__(
        self,
        context: Context,
        owns: Owns,
        own: Sequence[object] = (),
        *,
        tasks: Tasks | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._registry = context.registry
        self._own = own
        self._tasks: Tasks = tasks if tasks is not None else context.tasks
        self._monotonic = monotonic
        self._nodes = OwnNodes(
            NodeScan(context.storage.database), context.registry, owns
        )
        self.manager = DriverCalls(
            context, self._tasks, self._nodes, self.add_periodic_task
        )
        self._threads = PeriodicThreads(
            lambda: context.settings.conductor.periodic_max_workers
        )
        self.scheduler = Scheduler(
            context.periodic_statistics, self._threads, monotonic
        )
        self._thread = threading.Thread(
            target=self.scheduler.run, name="baremetal-periodic", daemon=True
        )

    def collect(self) -> None:
        """Find the tasks and their plans.

        Errors: ConfigurationError (an option that a task names, two owners
        of one node set).
        """
        found = collect(self._registry, self._own)
        option = self._context.settings.option
        plans = [(one, plan(one, option)) for one in found]
        for one, its_plan in plans:
            self.scheduler.add(one, self._call(one), its_plan)
        LOG.debug(
            "Periodic tasks: %s.",
            ", ".join(
                f"{one.name} "
                + (f"every {p.spacing:g} s" if p.enabled else "off")
                for one, p in plans
            )
            or "none",
        )

    def start(self) -> None:
        """Begin to run what was collected."""
        self._thread.start()

    def planned(self, settings: Settings) -> list[tuple[Key, Plan]]:
        """When each task would run. Errors: ConfigurationError."""
        return [
            (found.key, plan(found, settings.option))
            for found in self.scheduler.tasks
        ]

    def reload(self, settings: Settings) -> None:
        """The configuration was read again. Errors: as ``planned``."""
        self.scheduler.replan(self.planned(settings))

    def close(self) -> None:
        """Begin nothing more."""
        self.scheduler.stop()

    def stop(self, seconds: float) -> bool:
        """Begin nothing more; False if a run did not end in time."""
        self.close()
        if self._thread.is_alive():
            self._thread.join(seconds)
        ended = self._threads.stop(seconds)
        if not ended:
            LOG.warning(
                "%d periodic tasks still run; they are left alone.",
                self._threads.running,
            )
        return ended

    def add_periodic_task(self, task: Callable[..., Any]) -> bool:
        """Run a further marked function or method from now on.

        Returns whether it is enabled. Errors: ValueError (no mark),
        ConfigurationError (an option that it names).
        """
        found = describe(task, self._registry)
        its_plan = plan(found, self._context.settings.option)
        return self.scheduler.add(found, self._call(found), its_plan)

    def _call(self, found: Found) -> Call:
        manager, method = self.manager, found.method
        if found.nodes is not None:
            run = NodePeriodicRun(
                found, self._nodes, self._tasks, self._monotonic
            )
            return lambda context: run(manager, context)
        if found.context_only:
            return lambda context: _report(method(context))
        return lambda context: _report(method(manager, context))


def make_periodics(context: Context, owns: Owns) -> Periodics:
    """The periodic tasks of drivers and of the conductor, not collected yet.

    ``owns``: whether a node is this conductor's.
    """

    def option(name: str) -> Any:
        return context.settings.option(name)

    own = (
        WaitingTimeouts(option),
        HistoryCap(context.storage.history, option),
    )
    return Periodics(context, owns, own)


def _report(result: object) -> Report | None:
    return result if isinstance(result, Report) else None


__all__ = ["Periodics", "make_periodics"]
