# SPDX-License-Identifier: Apache-2.0
"""A conductor put together, before any of its threads runs.

What is made here starts nothing: ``runtime`` knows the threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.roster import Roster
from baremetal_backend.conductor.registration import Registration
from baremetal_backend.conductor.service import ConductorService
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conductor.timer import ThreadTimer
from baremetal_backend.conductor.workers import Lanes, make_lanes
from baremetal_backend.conf.current import Current
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.storage import Storage


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one conductor."""

    context: Context
    service: ConductorService
    timer: ThreadTimer
    lanes: Lanes


def assemble(
    current: Current,
    storage: Storage,
    registry: Registry,
    registration: Registration,
    clock: Callable[[], float],
) -> Assembly:
    """Make the parts and give each what it needs."""
    settings = current.settings
    timer = ThreadTimer()
    lanes = make_lanes(settings.conductor)
    roster = Roster()
    tasks = TaskManager(
        Surroundings(
            identity=registration.holder,
            check_active=registration.check_active,
            lease_seconds=settings.conductor.heartbeat_timeout,
            configured=lambda: current.settings.conductor,
            storage=storage,
            registry=registry,
            lanes=lanes,
            timer=timer,
            clock=clock,
            switched=roster.switched,
        )
    )
    context = Context(
        configured=lambda: current.settings,
        storage=storage,
        registry=registry,
        tasks=tasks,
        clock=clock,
        sleep=time.sleep,
        started_at=timestamp(clock()),
        power_roster=roster,
    )
    return Assembly(context, ConductorService(context), timer, lanes)


__all__ = ["Assembly", "assemble"]
