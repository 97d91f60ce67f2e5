# SPDX-License-Identifier: Apache-2.0
"""How long a sweep of the partition takes: our driver and nova's own.

Both drivers read the same nodes from the same backend process over HTTP and
Nova's records from the same database, alternately, in one run. A sweep is
what a driver does at each run of the resource tracker to find its nodes. CPU
is that of this process, the client, only.

    python benchmarks/sweep.py [--nodes 10000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "yes"

from nova import monkey_patch

monkey_patch.patch()

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from nova.virt.ironic.driver import IronicDriver

from tests.functional.plugin.backend_process import BackendProcess
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.nova_in_process import Nova

GROUP = "rack-a"


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        backend = BackendProcess(Path(directory))
        try:
            run(
                backend.url,
                Path(directory) / "nodes.sqlite",
                arguments.nodes,
                arguments.rounds,
            )
        finally:
            backend.stop()


def fill(url: str, database: Path, count: int) -> None:
    """Enrol one node by the API, and copy its row as often as asked."""
    operator = BareMetal(url)
    (first,) = operator.enrol(1, GROUP, available=True)
    operator.api.set_node_traits(first, ["CUSTOM_GOLD", "CUSTOM_SSD"])
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM nodes").fetchone())
        del row["id"]
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.executemany(
            f"INSERT INTO nodes ({names}) VALUES ({values})",
            (
                {**row, "uuid": str(uuid.uuid4()), "name": None}
                for _ in range(count - 1)
            ),
        )
        connection.commit()


def run(url: str, database: Path, nodes: int, rounds: int) -> None:
    """Sweep with both drivers in turn.

    The compute starts before there are nodes: its resource tracker would
    need minutes for them. That it knows their rows, as it does after its
    first run, is what makes our sweep an ordinary one.
    """
    nova = Nova()
    try:
        nova.configure(["c1"], partition_key=GROUP, peer_list=["c1"])
        nova.override("ironic", endpoint_override=url)
        nova.override("ironic", conductor_group=GROUP, peer_list=["c1"])
        nova.override(None, host="c1")
        ours = nova.start("c1").driver
        fill(url, database, nodes)
        theirs = IronicDriver(ours.virtapi)
        first = measure(ours._refresh_cache)
        print(
            f"our first sweep, which looks all rows up: {first.wall:.3f} s, "
            f"{first.cpu:.3f} s client CPU"
        )
        tracker = ours.virtapi._compute.rt
        tracker.compute_nodes = dict.fromkeys(ours.node_cache)
        table: dict[str, list[Cost]] = {"nova 34": [], "ours": []}
        for _ in range(rounds):
            table["nova 34"].append(measure(theirs._refresh_cache))
            table["ours"].append(measure(ours._refresh_cache))
        assert set(ours.node_cache) == set(theirs.node_cache)
        assert len(ours.node_cache) == nodes
    finally:
        nova.reset()
        nova.close()
    report(nodes, table)


class Cost(NamedTuple):
    """Seconds of one sweep."""

    wall: float
    cpu: float


def measure(sweep: Callable[[], None]) -> Cost:
    """Run a sweep once."""
    wall, cpu = time.perf_counter(), time.process_time()
    sweep()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def report(nodes: int, table: dict[str, list[Cost]]) -> None:
    """Medians, and their ratios."""
    medians = {
        name: Cost(
            statistics.median(cost.wall for cost in costs),
            statistics.median(cost.cpu for cost in costs),
        )
        for name, costs in table.items()
    }
    print(f"sweep of {nodes} nodes, median of {len(table['ours'])} rounds")
    print(f"{'driver':10} {'wall s':>8} {'client CPU s':>13}")
    for name, cost in medians.items():
        print(f"{name:10} {cost.wall:8.3f} {cost.cpu:13.3f}")
    theirs, ours = medians["nova 34"], medians["ours"]
    print(
        f"{'ratio':10} {theirs.wall / ours.wall:7.1f}x "
        f"{theirs.cpu / ours.cpu:12.1f}x"
    )


if __name__ == "__main__":
    main()
