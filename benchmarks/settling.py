# SPDX-License-Identifier: Apache-2.0
"""How often free nodes change hands until a partition is settled.

The same script with nova's own driver and with ours, one cloud after the
other in one run: three real nova-compute services on RabbitMQ and MariaDB
start together, one is killed, and comes back. The compute node rows are
watched all the time.

    python benchmarks/settling.py [--nodes 60]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.cloud import Cloud, Plan
from lab.compute import NOVAS_OWN, PLUGIN, Flavour
from lab.invariants import Moves

GROUP = "rack-a"
#: Seconds without any change after which a partition counts as settled.
CALM = 25.0
LONGEST = 240.0


@dataclass(frozen=True)
class Settled:
    """What was seen of one event."""

    event: str
    owned: float | None
    last_move: float
    moved: int
    most: int


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=60)
    arguments = parser.parse_args()
    print(
        f"{'driver':8} {'event':22} {'all owned s':>11} {'last move s':>11} "
        f"{'nodes moved':>11} {'most of one node':>17}"
    )
    for name, flavour in (("nova 34", NOVAS_OWN), ("ours", PLUGIN)):
        for seen in script(flavour, arguments.nodes):
            owned = "never" if seen.owned is None else f"{seen.owned:.1f}"
            print(
                f"{name:8} {seen.event:22} {owned:>11} "
                f"{seen.last_move:11.1f} {seen.moved:11} {seen.most:17}",
                flush=True,
            )


def script(flavour: Flavour, nodes: int) -> list[Settled]:
    """Play the events on a fresh cloud."""
    with Cloud(Plan(flavour=flavour)) as cloud:
        cloud.start()
        cloud.enrol_nodes(nodes, GROUP)
        hosts = cloud.plan.hosts
        return [
            watch(cloud, "cold start", hosts, lambda: start(cloud)),
            watch(cloud, "kill -9 of c3", hosts[:2], cloud.compute("c3").kill),
            watch(cloud, "c3 returns", hosts, cloud.compute("c3").start),
        ]


def start(cloud: Cloud) -> None:
    """Start all computes at once, without waiting."""
    for host in cloud.plan.hosts:
        cloud.compute(host).start()


def watch(
    cloud: Cloud,
    event: str,
    members: tuple[str, ...],
    act: Callable[[], None],
) -> Settled:
    """Let something happen, and watch the rows until they are calm."""
    moves = Moves()
    moves.see(cloud.owners())
    started = time.monotonic()
    act()
    owned = None
    before: dict[str, str] = {}
    changed_at = started
    while True:
        owners = cloud.owners()
        now = time.monotonic()
        moves.see(owners)
        if owners != before:
            before, changed_at = owners, now
        complete = len(owners) == len(cloud.backend.nodes()) and set(
            owners.values()
        ) == set(members)
        if complete and owned is None:
            owned = now - started
        calm = now - changed_at > CALM
        if (complete and calm) or now - started > LONGEST:
            return Settled(
                event,
                owned,
                changed_at - started,
                moves.nodes,
                moves.most,
            )
        time.sleep(0.3)


if __name__ == "__main__":
    main()
