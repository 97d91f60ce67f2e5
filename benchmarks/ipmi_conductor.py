# SPDX-License-Identifier: Apache-2.0
"""A conductor's poller over nodes with controllers, in this process.

Real parts on a real SQLite file: hardware type ``ipmi``, its client, the
poller and what it reads and writes. Only the API and the provisioning of
nodes are left out, so that a sweep can be asked for and measured.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ipmitool_sweep import Sweep

from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.poller import Poller
from baremetal_backend.conductor.power_sync.roster import Followed
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import POWER_OFF, POWER_ON
from baremetal_backend.drivers.ipmi.hardware import IpmiHardware
from baremetal_backend.drivers.loader import Registry, build
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.migrate import upgrade
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES
from lab.ipmi.target import Target

_HARDWARE = "ipmi"
_LONGEST = 120.0
_LOOK_EVERY = 0.002


@dataclass(frozen=True)
class Known:
    """Seconds from the question until something was known of all."""

    #: That answered: compared with the database.
    live: float
    #: That don't: asked twice, and the log says so.
    dead: float


class Conductor:
    """Its poller runs; every node was looked at, and none asked yet."""

    def __init__(
        self, context: Context, storage: Storage, truth: Sequence[bool]
    ) -> None:
        self._roster = context.power_roster
        self._storage = storage
        self._truth = {
            node_id(number): POWER_ON if is_on else POWER_OFF
            for number, is_on in enumerate(truth)
        }

    def sweep(self) -> Sweep:
        """Ask for all nodes now, until each answer was compared.

        A node that is not read is an error; what is in the database in the
        end has to be true.
        """
        counts = self._roster.counts
        compared, errors = counts.compared, sum(counts.errors.values())
        began, cpu = time.monotonic(), time.process_time()
        self._roster.poll_now()
        self._wait(
            lambda: (
                counts.compared - compared + sum(counts.errors.values())
                >= errors + len(self._truth)
            )
        )
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        return Sweep(
            wall,
            cpu,
            errors=sum(counts.errors.values()) - errors,
            wrong=self._wrong(),
        )

    def know(self, dead: Sequence[int]) -> Known:
        """Ask for all nodes, of which some do not answer."""
        silent = {node_id(number) for number in dead}
        began = time.monotonic()
        self._roster.poll_now()

        def fresh(one: Followed) -> bool:
            seen = one.observation
            return seen is not None and seen.at >= began

        def live_known() -> bool:
            return all(
                fresh(one)
                for one in self._roster.all()
                if one.uuid not in silent
            )

        def dead_known() -> bool:
            return all(
                one.turn.confirmed
                for one in self._roster.all()
                if one.uuid in silent
            )

        self._wait(live_known)
        live = time.monotonic() - began
        self._wait(dead_known)
        return Known(live, time.monotonic() - began)

    def _wrong(self) -> int:
        rows = self._storage.nodes.page(("uuid", "power_state"))
        stored = dict(map(tuple, rows))
        seen = {
            one.uuid: one.observation.state
            for one in self._roster.all()
            if one.observation is not None
        }
        return sum(
            stored[one] != state or seen.get(one, state) != state
            for one, state in self._truth.items()
        )

    @staticmethod
    def _wait(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _LONGEST
        while not happened():
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within {_LONGEST:g} s")
            time.sleep(_LOOK_EVERY)


class _NoTasks:
    """No node is switched back: all are as their records say."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a node was acted on ({name})")


@contextmanager
def conductor(
    directory: Path, targets: Sequence[Target], truth: Sequence[bool]
) -> Iterator[Conductor]:
    """A conductor that has just started, with a node for each target."""
    options = DatabaseOptions(f"sqlite:///{directory / 'nodes.sqlite'}")
    settings = Settings(
        "benchmark",
        str(directory),
        options,
        power=PowerSettings(
            power_polls_per_second=0, power_polls_in_flight=len(targets)
        ),
    )
    database = Database(options)
    upgrade(database)
    storage = Storage(database)
    registry = build({_HARDWARE: IpmiHardware}, settings)
    fill(database, registry, targets, truth)
    context = Context(
        configured=lambda: settings,
        storage=storage,
        registry=registry,
        tasks=_NoTasks(),  # type: ignore[arg-type]
        clock=time.time,
        sleep=time.sleep,
        started_at="",
    )
    poller = Poller(context, owns=lambda *node: True)
    thread = threading.Thread(target=poller.run, name="baremetal-power")
    for one in registry.equipment:
        one.start()
    thread.start()
    try:
        deadline = time.monotonic() + _LONGEST
        while len(context.power_roster.all()) < len(targets):
            if time.monotonic() > deadline:
                raise RuntimeError("the poller does not see the nodes")
            time.sleep(_LOOK_EVERY)
        yield Conductor(context, storage, truth)
    finally:
        poller.stop()
        thread.join(10)
        for one in registry.equipment:
            one.stop()
        database.close()


def fill(
    database: Database,
    registry: Registry,
    targets: Sequence[Target],
    truth: Sequence[bool],
) -> None:
    """Available nodes whose records say what is true."""
    mapper = RowMapper(NODES, Node)
    interfaces = registry.choose(_HARDWARE, "", {})
    rows = []
    for number, (target, is_on) in enumerate(zip(targets, truth, strict=True)):
        node = Node(
            uuid=node_id(number),
            driver=_HARDWARE,
            provision_state="available",
            power_state=POWER_ON if is_on else POWER_OFF,
            driver_info=target.driver_info,
            **interfaces,  # type: ignore[arg-type]
        )
        rows.append(
            mapper.values({f: getattr(node, f) for f in mapper.fields})
            | {"created_at": "2026-01-01T00:00:00+00:00"}
        )
    with database.writing() as connection:
        connection.execute(sa.delete(NODES))
        connection.execute(sa.insert(NODES), rows)


def node_id(number: int) -> str:
    """Of the node of this target."""
    return str(uuid.UUID(int=number))
