# SPDX-License-Identifier: Apache-2.0
"""A conductor on a real SQLite file and real threads; only time is played."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.service import ConductorService
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conductor.workers import make_lanes
from baremetal_backend.conf.settings import ConductorSettings, Settings
from baremetal_backend.core.records import Holder, Node
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.loader import build
from baremetal_backend.storage import (
    Changed,
    Database,
    DatabaseOptions,
    Storage,
)
from tests.databases.lending import empty_database
from tests.fakes.blank_database import blank_database
from tests.fakes.timer import FakeTimer

NOW = 1_800_000_000.0
ME = Holder("me", "11111111-1111-4111-8111-111111111111")


class World:
    """Everything around one conductor named ``me``."""

    def __init__(
        self, path: Path, hardware=FakeHardware, workers=4, url=None
    ) -> None:
        """``url``: an empty database; None: an SQLite file is made."""
        self.path = path / "test.sqlite"
        if url is None:
            url = f"sqlite:///{blank_database(self.path)}"
        options = DatabaseOptions(
            url, sqlite_synchronous=False, busy_timeout=2.0
        )
        database = Database(options)
        self.storage = Storage(database, lambda: NOW)
        self.settings = Settings(
            host="me",
            state_path=str(path),
            database=options,
            conductor=ConductorSettings(
                workers_pool_size=workers,
                operator_workers=workers,
                background_workers=workers,
                node_locked_retry_attempts=1,
                node_locked_retry_interval=0.0,
            ),
        )
        self.timer = FakeTimer()
        self.lanes = make_lanes(self.settings.conductor)
        self.identity = ME
        self.registry = build({"fake-hardware": hardware}, self.settings)
        self.tasks = self.task_manager()
        self.slept: list[float] = []
        self.context = Context(
            configured=lambda: self.settings,
            storage=self.storage,
            registry=self.registry,
            tasks=self.tasks,
            clock=lambda: NOW,
            sleep=self.slept.append,
            started_at="2026-01-01T00:00:00+00:00",
        )
        self.conductor = ConductorService(self.context)
        self._number = itertools.count(1)

    def task_manager(self, **changes) -> TaskManager:
        values = {
            "identity": lambda: self.identity,
            "configured": lambda: self.settings.conductor,
            "storage": self.storage,
            "registry": self.registry,
            "lanes": self.lanes,
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

    def set_conductor(self, **options) -> None:
        """Options of ``[conductor]`` from now on."""
        changed = dataclasses.replace(self.settings.conductor, **options)
        self.settings = dataclasses.replace(self.settings, conductor=changed)

    def take(self, node: Node, holder=ME, lane="provisioning") -> Node:
        """Let somebody have the node; shows it afterwards."""
        result = self.storage.leases.take(
            node.uuid,
            holder,
            "test",
            lane=lane,
            expires_at="2027-01-15T08:01:00+00:00",
        )
        assert isinstance(result, Changed)
        return result.record

    def get(self, node: Node) -> Node:
        return self.storage.nodes.get(node.uuid)

    def idle(self) -> None:
        """Until all operations ended."""
        assert self.tasks.wait_idle(20)

    def history(self, node: Node) -> list[str]:
        return [one.event for one in self.storage.history.page(node.uuid)]

    def close(self) -> None:
        self.lanes.stop()
        self.storage.close()


@pytest.fixture
def kind():
    """The database; a module whose tests run on each overrides this."""
    return "sqlite"


@pytest.fixture
def world(tmp_path, kind):
    with empty_database(kind, tmp_path) as url:
        found = World(tmp_path, url=url)
        yield found
        found.close()
