# SPDX-License-Identifier: Apache-2.0
"""What a periodic task costs that finds nothing to do.

A real ``node_periodic`` of a hardware interface, run by the conductor's own
code over nodes in a real database: as the only conductor, and as one of three
that share the nodes by the service's ring. Beside it, the loop that drivers
write by hand: read each node, then decide.

    python benchmarks/node_periodic.py [--nodes 10000] [--database URL]

``--database`` names an empty one on a server; it is left filled.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import sqlalchemy as sa

from baremetal_backend.conductor.node_periodic import NodePeriodicRun
from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.periodic.collect import collect
from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.records import ConductorRecord, Node, NodeFilter
from baremetal_backend.core.routing import Routing
from baremetal_backend.drivers import base
from baremetal_backend.drivers.loader import Registry, build
from baremetal_backend.drivers.periodics import node_periodic
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.migrate import upgrade
from baremetal_backend.storage.node_scan import NodeScan
from baremetal_backend.storage.rows import RowMapper
from baremetal_backend.storage.tables import NODES

GOAL_SECONDS = 0.3
GOAL_QUERIES = 2

_JOBS = ("driver_internal_info",)


class Raid(base.RaidInterface):
    """An interface whose jobs have to be polled; there are none."""

    name = "bench"

    @node_periodic(
        "poll jobs",
        spacing=60,
        filters={"maintenance": False, "reserved": False},
        predicate=lambda row: "job" in row.driver_internal_info,
        predicate_extra_fields=_JOBS,
    )
    def poll(self, task: Any, manager: Any, context: Any) -> None:
        """Never called: no node has a job."""
        raise AssertionError(task.node.uuid)


class Hardware(base.AbstractHardwareType):
    """Offers nothing else."""

    interfaces = {"raid": (Raid,)}


@dataclass(frozen=True)
class Figures:
    """Of some runs of the same kind."""

    way: str
    looked_at: int
    queries: int
    #: Of the fastest run.
    seconds: float
    median: float


def main() -> int:
    """Print one table. 0: the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--database", metavar="URL")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = arguments.database or f"sqlite:///{directory}/bench.sqlite"
        options = DatabaseOptions(url)
        database = Database(options)
        settings = Settings("one", directory, options)
        upgrade(database)
        fill(database, arguments.nodes)
        registry = build({"bench-hardware": Hardware}, settings)
        table = [
            measure("node_periodic, one conductor", arguments.runs)(
                database, our_run(database, registry, hosts=1)
            ),
            measure("node_periodic, its third of three", arguments.runs)(
                database, our_run(database, registry, hosts=3)
            ),
            measure("a query per node", 1)(
                database, run_by_hand(Storage(database))
            ),
        ]
        database.close()
    print(
        f"{'way':34} {'nodes':>7} {'queries':>8} {'seconds':>8} {'median':>7}"
    )
    for one in table:
        print(
            f"{one.way:34} {one.looked_at:7} {one.queries:8} "
            f"{one.seconds:8.3f} {one.median:7.3f}"
        )
    met = all(
        one.queries <= GOAL_QUERIES and one.median < GOAL_SECONDS
        for one in table[:2]
    )
    print(
        f"goal of {GOAL_QUERIES} queries and {GOAL_SECONDS} s: "
        f"{'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


def our_run(
    database: Database, registry: Registry, hosts: int
) -> Callable[[], int]:
    """A run of the conductor ``one`` of so many."""
    routing = Routing(
        ConductorRecord(
            host=("one", "two", "three")[number],
            incarnation=str(number),
            hardware_types={"bench-hardware": {}},
            registered_at="",
            renewed_at="",
        )
        for number in range(hosts)
    )
    (found,) = collect(registry)
    run = NodePeriodicRun(
        found,
        OwnNodes(
            NodeScan(database),
            registry,
            lambda *node: routing.owner(*node) == "one",
        ),
        tasks=NoTasks(),
    )
    return lambda: run(None, None).looked_at  # type: ignore[arg-type]


class NoTasks:
    """An idle run takes no node."""

    def shared(self, node_id: str) -> Any:
        raise AssertionError(node_id)

    def try_exclusive(self, node_id: str, purpose: str) -> Any:
        raise AssertionError(node_id)


def run_by_hand(storage: Storage) -> Callable[[], int]:
    """What a driver's own loop does that reads each node to decide."""

    def run() -> int:
        rows = storage.nodes.page(("uuid",), NodeFilter(maintenance=False))
        for (ident,) in rows:
            node = storage.nodes.get(ident)
            assert "job" not in node.driver_internal_info
        return len(rows)

    return run


def measure(
    way: str, runs: int
) -> Callable[[Database, Callable[[], int]], Figures]:
    """How to measure a way: by so many runs after a first one."""

    def measured(database: Database, run: Callable[[], int]) -> Figures:
        with statements(database) as issued:
            looked_at = run()
        seconds = []
        for _ in range(runs):
            began = time.monotonic()
            run()
            seconds.append(time.monotonic() - began)
        return Figures(
            way,
            looked_at,
            len(issued),
            min(seconds),
            statistics.median(seconds),
        )

    return measured


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that the database gets, without BEGIN."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if not text.startswith("BEGIN"):
            found.append(text)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def fill(database: Database, number: int) -> None:
    """Idle nodes, each with some data that nobody asked for."""
    mapper = RowMapper(NODES, Node)
    rows = []
    for i in range(number):
        node = Node(
            uuid=str(uuid.UUID(int=i)),
            driver="bench-hardware",
            raid_interface="bench",
            provision_state="available",
            driver_info={"address": f"192.0.2.{i % 256}", "port": i},
            driver_internal_info={"last_seen": i, "clean_steps": None},
            properties={"cpus": 64, "memory_mb": 2**18, "local_gb": 900},
        )
        rows.append(
            mapper.values({f: getattr(node, f) for f in mapper.fields})
            | {"created_at": "2026-01-01T00:00:00+00:00"}
        )
    with database.writing() as connection:
        connection.execute(sa.insert(NODES), rows)


if __name__ == "__main__":
    sys.exit(main())
