# SPDX-License-Identifier: Apache-2.0
"""A poller on a real database; its time passes when the test says so."""

from __future__ import annotations

import dataclasses
import time

import pytest

from baremetal_backend.conductor.power_sync.poller import Poller
from baremetal_backend.conductor.power_sync.roster import Roster
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.core.records import Node
from tests.backend.conductor.conftest import NOW, World
from tests.databases.lending import empty_database
from tests.fakes.power import SwitchedHardware

#: Of the jitter: none.
MIDDLE = 0.5


class Following:
    """One conductor's poller, stepped by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.time = 1000.0
        self.owned = lambda uuid, driver, group: True
        self.active = True
        self.options()
        self.start()

    def start(self) -> None:
        """A new process on the same database."""
        self.roster = Roster(lambda: self.time)
        self.world.tasks = self.world.task_manager(
            switched=self.roster.switched
        )
        self.world.context = dataclasses.replace(
            self.world.context,
            tasks=self.world.tasks,
            power_roster=self.roster,
            clock=lambda: NOW + self.time,
        )
        self.poller = Poller(
            self.world.context,
            self.is_owned,
            lambda: self.active,
            lambda: MIDDLE,
        )

    def options(self, **values) -> None:
        """Options about power from now on."""
        power = PowerSettings(**values)
        self.world.settings = dataclasses.replace(
            self.world.settings, power=power
        )

    def is_owned(self, uuid: str, driver: str, group: str) -> bool:
        return self.owned(uuid, driver, group)

    @property
    def power(self):
        offered = self.world.registry.types["fake-hardware"].interfaces
        return offered["power"]["scripted"]

    @property
    def blocking(self):
        offered = self.world.registry.types["fake-hardware"].interfaces
        return offered["power"]["blocking"]

    def node(self, hardware="power off", **values) -> Node:
        """A node at rest, whose hardware is so."""
        given = {"state": "active", "power_state": "power off"} | values
        made = self.world.node(given.pop("state"), **given)
        self.power.hardware[made.uuid] = hardware
        return made

    def get(self, node: Node) -> Node:
        return self.world.get(node)

    def step(self) -> float:
        """All that is to be done at this moment."""
        for _ in range(50):
            before = self.marks()
            pause = self.poller.step()
            if self.marks() == before:
                return pause
        raise AssertionError("it does not come to rest")

    def marks(self) -> tuple:
        counts = self.roster.counts
        return (
            counts.asked,
            counts.compared,
            sum(counts.errors.values()),
            counts.lost,
        )

    def passes(self, seconds: float, grain: float = 0.5) -> None:
        """Let time pass, step by step."""
        end = self.time + seconds
        while self.time < end:
            self.time = min(end, self.time + grain)
            self.step()

    def poll(self) -> None:
        """All nodes at once."""
        self.time += 0.05
        self.roster.poll_now()
        self.step()

    def settle(self) -> None:
        """Until what runs in threads has ended, and was taken in."""
        deadline = time.monotonic() + 20
        # In this order: what is begun is running when the beginning ended.
        while self.busy() or self.world.tasks.running:
            assert time.monotonic() < deadline
            self.world.tasks.wait_idle(0.1)
        self.step()

    def busy(self) -> bool:
        pool = self.poller._asking._pool
        return pool._work_queue.qsize() > 0 or (
            pool._idle_semaphore._value < len(pool._threads)
        )

    def close(self) -> None:
        self.blocking.let_go.set()
        self.poller.stop()


@pytest.fixture
def following(tmp_path):
    with empty_database("sqlite", tmp_path) as url:
        world = World(tmp_path, SwitchedHardware, url=url)
        found = Following(world)
        yield found
        found.close()
        world.close()
