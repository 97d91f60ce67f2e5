# SPDX-License-Identifier: Apache-2.0
"""Nodes that wait for an inspection, in this process and at the service.

Real parts on a real SQLite file: the interface, its equipment and client, and
the query. Only the scheduler is left out, so that a poll can be asked for.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.periodic.periodics import Periodics
from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.loader import Registry, build
from baremetal_backend.drivers.periodics import Manager
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.migrate import upgrade
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES

_HARDWARE = "fake-hardware"
_INTERFACE = "discoverd"
_STARTED = "2026-01-01 00:00:00.000000"
_KEPT = {"cpus": "48", "capabilities": "boot_mode:uefi,cpu_vt:true"}


@dataclass(frozen=True)
class Polled:
    """A conductor that follows the inspections of its nodes."""

    uuids: Sequence[str]
    _interface: DiscoverdInspect
    _manager: Manager
    _equipment: InspectionEquipment

    def poll(self) -> None:
        """One run of the periodic task; its end is the end of it all."""
        self._interface.poll(self._manager, None)

    @property
    def begun(self) -> int:
        """Nodes that the last poll began something with."""
        return len(self._equipment._busy)


class _NoTasks:
    """No node is acted on: all of them wait."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a node was acted on ({name})")


@contextmanager
def polled(directory: Path, service_url: str, nodes: int) -> Iterator[Polled]:
    """A conductor with so many nodes whose inspection has begun."""
    options = DatabaseOptions(f"sqlite:///{directory / 'nodes.sqlite'}")
    settings = Settings(
        "benchmark",
        str(directory),
        options,
        discoverd=DiscoverdSettings(enabled=True, service_url=service_url),
    )
    database = Database(options)
    upgrade(database)
    registry = build({_HARDWARE: FakeHardware}, settings)
    _fill(database, registry, nodes)
    context = Context(
        configured=lambda: settings,
        storage=Storage(database),
        registry=registry,
        tasks=_NoTasks(),  # type: ignore[arg-type]
        clock=time.time,
        sleep=time.sleep,
        started_at="",
    )
    periodics = Periodics(context, owns=lambda *node: True)
    interface = registry.types[_HARDWARE].interfaces["inspect"][_INTERFACE]
    assert isinstance(interface, DiscoverdInspect)
    (equipment,) = (
        one
        for one in registry.equipment
        if isinstance(one, InspectionEquipment)
    )
    for one in registry.equipment:
        one.start()
    try:
        yield Polled(
            [node_id(number) for number in range(nodes)],
            interface,
            periodics.manager,
            equipment,
        )
    finally:
        for one in registry.equipment:
            one.stop()
        database.close()


def _fill(database: Database, registry: Registry, nodes: int) -> None:
    mapper = RowMapper(NODES, Node)
    interfaces: dict[str, Any] = {
        **registry.choose(_HARDWARE, "", {"inspect_interface": _INTERFACE})
    }
    rows = []
    for number in range(nodes):
        node = Node(
            uuid=node_id(number),
            driver=_HARDWARE,
            provision_state="inspect wait",
            power_state="power on",
            properties=_KEPT,
            **interfaces,
        )
        attempt = Attempt(str(uuid.uuid4()), _KEPT, asked=True, answered=True)
        rows.append(
            mapper.values({f: getattr(node, f) for f in mapper.fields})
            | mapper.values(attempts.written(node, attempt))
            | {"created_at": "2026-01-01T00:00:00+00:00"}
        )
    with database.writing() as connection:
        connection.execute(sa.insert(NODES), rows)


def fill_records(inspector: Path, nodes: int) -> None:
    """Records of ironic-inspector's, which must not run, that wait."""
    with closing(sqlite3.connect(inspector)) as connection, connection:
        connection.executemany(
            "INSERT INTO nodes (uuid, state, started_at, manage_boot) "
            "VALUES (?, 'waiting', ?, 1)",
            [(node_id(number), _STARTED) for number in range(nodes)],
        )


def node_id(number: int) -> str:
    """Of the node of this number."""
    return str(uuid.UUID(int=number + 1, version=4))
