# SPDX-License-Identifier: Apache-2.0
"""How long the nodes of a killed conductor stay half done.

    python benchmarks/takeover.py [--nodes 1000]

Three conductors and two APIs on RabbitMQ and PostgreSQL, real processes. One
conductor is in the middle of so many deployments when it is killed; the
others notice after the heartbeat's time-out, and fail each deployment with
the reason. Prints the seconds from the kill to the detection (the first log
line that declares it gone) and from there to the last node at rest. Needs
Debian's packages ``rabbitmq-server`` and ``postgresql``, and the extras
``backend``, ``messaging``, ``postgresql``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.bare_metal_cluster import BareMetalCluster, Plan
from lab.waiting import wait_for

GOAL = 5.0
DEPLOY_SECONDS = 3600
CLIENTS = 8


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="takeover-") as directory,
        BareMetalCluster(Plan(), Path(directory)) as cluster,
    ):
        cluster.start()
        victim = cluster.plan.conductors[0]
        chosen = fill(cluster, victim, arguments.nodes)
        deploy(cluster, chosen)
        noticed, taken = measure(cluster, victim, len(chosen))
    print(
        f"{len(chosen)} deployments of {victim}: noticed {noticed:.1f} s "
        f"after the kill, taken over {taken:.1f} s later"
    )
    print(f"goal of {GOAL:.0f} s: {'met' if taken < GOAL else 'MISSED'}")
    return 0 if taken < GOAL else 1


def fill(cluster: BareMetalCluster, victim: str, count: int) -> list[str]:
    """Copies of one node's row, until the victim has so many."""
    node = cluster.api.baremetal.create_node(
        driver="fake-hardware",
        driver_info={"fake_deploy_delay": DEPLOY_SECONDS},
    )
    columns = ", ".join(
        row["column_name"]
        for row in cluster.query(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'nodes' AND column_name NOT IN "
            "('id', 'uuid', 'provision_state')"
        )
    )
    found: list[str] = []
    while len(found) < count:
        cluster.query(
            f"INSERT INTO nodes (uuid, provision_state, {columns}) "
            f"SELECT gen_random_uuid()::text, 'available', {columns} "
            f"FROM nodes, generate_series(1, 500) "
            f"WHERE uuid = '{node.id}' RETURNING id"
        )
        found = [
            one["uuid"]
            for one in cluster.api.nodes("uuid", "conductor")
            if one["conductor"] == victim and one["uuid"] != node.id
        ]
    return found[:count]


def deploy(cluster: BareMetalCluster, chosen: list[str]) -> None:
    def order(numbered: tuple[int, str]) -> None:
        number, uuid = numbered
        api = cluster.apis[number % len(cluster.apis)]
        api.baremetal.set_node_provision_state(uuid, "active")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(order, enumerate(chosen)))
    if in_state(cluster, "deploying") != len(chosen):
        raise RuntimeError("not all deployments have begun")


def measure(
    cluster: BareMetalCluster, victim: str, count: int
) -> tuple[float, float]:
    """Seconds to the detection, and from there to the last node."""
    survivors = [
        process
        for host, process in cluster.conductors.items()
        if host != victim
    ]
    cluster.conductors[victim].kill()
    killed = time.monotonic()
    wait_for(
        lambda: any("is declared gone" in p.log_text() for p in survivors),
        60,
        "detection",
        every=0.05,
    )
    noticed = time.monotonic()
    wait_for(
        lambda: in_state(cluster, "deploy failed") == count,
        120,
        f"end of {count} deployments",
        every=0.1,
    )
    taken = time.monotonic()
    if cluster.query("SELECT * FROM leases"):
        raise RuntimeError("leases are left")
    return noticed - killed, taken - noticed


def in_state(cluster: BareMetalCluster, state: str) -> int:
    (row,) = cluster.query(
        f"SELECT count(*) AS n FROM nodes WHERE provision_state = '{state}'"
    )
    return int(row["n"])


if __name__ == "__main__":
    sys.exit(main())
