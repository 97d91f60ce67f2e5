# SPDX-License-Identifier: Apache-2.0
"""A conductor on a real SQLite file and real threads; only time is played."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.service import ConductorService
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.conf.settings import ConductorSettings, Settings
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.loader import build
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from tests.fakes.blank_database import blank_database
from tests.fakes.timer import FakeTimer

NOW = 1_800_000_000.0


class World:
    """Everything around one conductor named ``me``."""

    def __init__(self, path: Path, hardware=FakeHardware, workers=4) -> None:
        options = DatabaseOptions(
            f"sqlite:///{path}/test.sqlite",
            sqlite_synchronous=False,
            busy_timeout=0.2,
        )
        self.path = path / "test.sqlite"
        blank_database(path / "test.sqlite")
        database = Database(options)
        self.storage = Storage(database, lambda: NOW)
        self.settings = Settings(
            host="me",
            state_path=str(path),
            database=options,
            conductor=ConductorSettings(
                workers_pool_size=workers,
                node_locked_retry_attempts=1,
                node_locked_retry_interval=0.0,
            ),
        )
        self.timer = FakeTimer()
        self.lane = Lane("test", workers)
        self.registry = build({"fake-hardware": hardware}, self.settings)
        self.tasks = self.task_manager()
        self.slept: list[float] = []
        self.conductor = ConductorService(
            Context(
                settings=self.settings,
                storage=self.storage,
                registry=self.registry,
                tasks=self.tasks,
                clock=lambda: NOW,
                sleep=self.slept.append,
                started_at="2026-01-01T00:00:00+00:00",
            )
        )
        self._number = itertools.count(1)

    def task_manager(self, **changes) -> TaskManager:
        values = {
            "host": "me",
            "settings": self.settings.conductor,
            "storage": self.storage,
            "registry": self.registry,
            "lane": self.lane,
            "timer": self.timer,
            "clock": lambda: NOW,
        }
        return TaskManager(Surroundings(**values | changes))

    def node(self, state="enroll", **values) -> Node:
        """Store a node in this state."""
        number = next(self._number)
        interfaces = self.registry.choose("fake-hardware", "", {})
        return self.storage.nodes.create(
            Node(
                uuid=f"00000000-0000-4000-8000-{number:012d}",
                driver="fake-hardware",
                provision_state=state,
                **interfaces | values,
            )
        )

    def get(self, node: Node) -> Node:
        return self.storage.nodes.get(node.uuid)

    def idle(self) -> None:
        """Until all operations ended."""
        assert self.tasks.wait_idle(20)

    def history(self, node: Node) -> list[str]:
        return [one.event for one in self.storage.history.page(node.uuid)]

    def close(self) -> None:
        self.lane.stop()
        self.storage.close()


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    yield found
    found.close()
