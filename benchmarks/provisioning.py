# SPDX-License-Identifier: Apache-2.0
"""What many provision cycles at once cost beyond what one alone takes.

    python benchmarks/provisioning.py [--nodes 20] [--delay 2]
    python benchmarks/provisioning.py --ironic VENV

A cycle is manage, provide, active, deleted on fake hardware, each of whose
operations on an instance takes ``--delay`` seconds. First one node goes
through it alone, then all at once, each driven by a client that polls every
0.25 s. What the hardware's delays are is the service's own choice, hence the
ratio: 1.0 would be a service that costs nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bare_metal_services import (
    BACKEND,
    Service,
    Software,
    cpu_seconds,
    ironic,
    running,
)

CYCLE = (
    ("manage", "manageable"),
    ("provide", "available"),
    ("active", "active"),
    ("deleted", "available"),
)
GOAL_RATIO = 1.5
POLL_SECONDS = 0.25


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--delay", type=int, default=2)
    parser.add_argument("--ironic", metavar="VENV")
    arguments = parser.parse_args()
    print(f"delays of {arguments.delay} s")
    ratio = measure(BACKEND, arguments)
    if arguments.ironic:
        measure(ironic(arguments.ironic), arguments)
    met = ratio < GOAL_RATIO
    print(f"goal of ratio {GOAL_RATIO}: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def measure(software: Software, arguments: argparse.Namespace) -> float:
    """Time of all at once in times of one alone; prints a line."""
    options = f"[fake]\ndeploy_delay = {arguments.delay}\n"
    with running(software, options) as service:
        alone = seconds_of(service, 1)
        spent = cpu_seconds(service.pid)
        together = seconds_of(service, arguments.nodes)
        spent = (cpu_seconds(service.pid) - spent) / arguments.nodes
    print(
        f"{software.name:18} one {alone:5.1f} s, {arguments.nodes} at once "
        f"{together:5.1f} s, ratio {together / alone:.2f}; CPU of the service "
        f"{spent:.2f} s a cycle",
        flush=True,
    )
    return together / alone


def seconds_of(service: Service, count: int) -> float:
    """Seconds until so many new nodes have gone through their cycles."""
    nodes = [
        service.request("POST", "/v1/nodes", {"driver": "fake-hardware"})[
            "uuid"
        ]
        for _ in range(count)
    ]
    began = time.monotonic()
    with ThreadPoolExecutor(count) as clients:
        list(clients.map(lambda uuid: cycle(service, uuid), nodes))
    return time.monotonic() - began


def cycle(service: Service, uuid: str) -> None:
    for verb, state in CYCLE:
        path = f"/v1/nodes/{uuid}/states"
        ask(service, "PUT", f"{path}/provision", {"target": verb})
        deadline = time.monotonic() + 300
        while (shown := ask(service, "GET", path))["provision_state"] != state:
            if shown["last_error"] or time.monotonic() > deadline:
                raise RuntimeError(f"{verb}: {shown}")
            time.sleep(POLL_SECONDS)


def ask(service: Service, method: str, path: str, body: Any = None) -> Any:
    """A request; Ironic's server resets connections beyond its backlog."""
    for _ in range(20):
        try:
            return service.request(method, path, body)
        except ConnectionError:
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"no connection for {method} {path}")


if __name__ == "__main__":
    sys.exit(main())
