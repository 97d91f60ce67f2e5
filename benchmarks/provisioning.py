# SPDX-License-Identifier: Apache-2.0
"""What many provision cycles at once cost beyond what hardware takes.

    python benchmarks/provisioning.py [--nodes 20] [--delay 2]
    python benchmarks/provisioning.py --ironic VENV

A cycle is manage, provide (with cleaning), active, deleted (with cleaning)
on fake hardware whose deployment, and each of whose clean steps, takes
``--delay`` seconds. All nodes go through it at once, each driven by a client
that polls every 0.1 s. The least possible time is the sum of the delays of
one cycle; the rest is the service's own (and the clients').
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bare_metal_services import BACKEND, Service, Software, ironic, running

# One clean step with a priority on the way to available, twice; one deploy.
STEPS_WITH_DELAY = 3
CYCLE = (
    ("manage", "manageable"),
    ("provide", "available"),
    ("active", "active"),
    ("deleted", "available"),
)
GOAL_OVERHEAD = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--delay", type=int, default=2)
    parser.add_argument("--ironic", metavar="VENV")
    arguments = parser.parse_args()
    least = float(STEPS_WITH_DELAY * arguments.delay)
    print(
        f"{arguments.nodes} cycles at once; the hardware's own delays: "
        f"{least:.1f} s"
    )
    ours = measure(BACKEND, arguments)
    if arguments.ironic:
        measure(ironic(arguments.ironic), arguments)
    met = ours - least < GOAL_OVERHEAD
    print(
        f"goal of {GOAL_OVERHEAD:.0f} s beyond the delays: "
        f"{'met' if met else 'MISSED'}"
    )
    return 0 if met else 1


def measure(software: Software, arguments: argparse.Namespace) -> float:
    """Seconds until all cycles have ended; prints a line."""
    options = f"[fake]\ndeploy_delay = {arguments.delay}\n"
    with running(software, options) as service:
        nodes = [
            service.request(
                "POST",
                "/v1/nodes",
                {"driver": "fake-hardware", "name": f"node-{number}"},
            )["uuid"]
            for number in range(arguments.nodes)
        ]
        began = time.monotonic()
        with ThreadPoolExecutor(arguments.nodes) as clients:
            list(clients.map(lambda uuid: cycle(service, uuid), nodes))
        seconds = time.monotonic() - began
    beyond = seconds - STEPS_WITH_DELAY * arguments.delay
    print(
        f"{software.name:18} {seconds:6.1f} s, {beyond:5.1f} s beyond the "
        "delays",
        flush=True,
    )
    return seconds


def cycle(service: Service, uuid: str) -> None:
    for verb, state in CYCLE:
        path = f"/v1/nodes/{uuid}/states"
        service.request("PUT", f"{path}/provision", {"target": verb})
        deadline = time.monotonic() + 300
        while (shown := service.request("GET", path))[
            "provision_state"
        ] != state:
            if shown["last_error"] or time.monotonic() > deadline:
                raise RuntimeError(f"{verb}: {shown}")
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
