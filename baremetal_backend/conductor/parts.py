# SPDX-License-Identifier: Apache-2.0
"""What all parts of the conductor are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from baremetal_backend.conductor.periodic.statistics import Statistics
from baremetal_backend.conductor.power_sync.roster import Roster
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conf.settings import Settings
from baremetal_backend.drivers.base import Progress
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.storage import Storage

# A call that a client waits for is not stretched further by a script.
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """The conductor's surroundings."""

    #: The settings in force; a reload replaces them.
    configured: Callable[[], Settings]
    storage: Storage
    registry: Registry
    tasks: TaskManager
    #: Seconds since the epoch.
    clock: Callable[[], float]
    #: Blocks for seconds.
    sleep: Callable[[float], None]
    started_at: str
    #: The nodes whose power state is followed, and what is known of it.
    power_roster: Roster = field(default_factory=Roster)
    periodic_statistics: Statistics = field(
        default_factory=lambda: Statistics(time.time, time.monotonic)
    )

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.configured()


class Part:
    """A group of the conductor's calls."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def _block(self, progress: Progress) -> None:
        """Do short work in the caller's thread, with its pauses."""
        self._result(progress)

    def _result(self, progress: Any) -> Any:
        """The same for work that has a result; that itself if it is one."""
        if not isinstance(progress, Generator):
            return progress
        while True:
            try:
                pause = next(progress)
            except StopIteration as stop:
                return stop.value
            self._context.sleep(min(pause.seconds, _LONGEST_PAUSE))
