# SPDX-License-Identifier: Apache-2.0
"""How fast ``GET /v1/nodes`` is, with the fields that nova asks for.

    python benchmarks/node_list.py [--nodes 10000] [--runs 7]
    python benchmarks/node_list.py --ironic VENV

Starts the service as a process of its own on a temporary SQLite file, puts
nodes into it, and reads all pages of 1,000 over loopback; the client reads
bytes only. Prints nodes per second (median of the runs) and the time of the
first and the last page. ``--ironic`` measures a real Ironic beside it, in
the same run: VENV is a virtual environment made by
``python -m venv VENV; VENV/bin/pip install ironic``.
"""

from __future__ import annotations

import argparse
import http.client
import sqlite3
import statistics
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from bare_metal_services import (
    BACKEND,
    VERSION,
    Software,
    cpu_seconds,
    ironic,
    request,
    running,
)

FIELDS = (
    "uuid,power_state,target_power_state,provision_state,"
    "target_provision_state,last_error,maintenance,properties,"
    "instance_uuid,traits,resource_class"
)
PAGE = 1000
GOAL = 40000
PROPERTIES = {
    "cpus": 64,
    "memory_mb": 262144,
    "local_gb": 960,
    "cpu_arch": "x86_64",
    "capabilities": "boot_mode:uefi,secure_boot:true",
}


def main() -> int:
    arguments = parse()
    print(f"{arguments.nodes} nodes in pages of {PAGE}, nova's fields")
    ours = measure_service(BACKEND, arguments)
    if arguments.ironic:
        theirs = measure_service(ironic(arguments.ironic), arguments)
        print(f"ratio: {ours / theirs:.1f}")
    print(f"goal of {GOAL} nodes/s: {'met' if ours >= GOAL else 'MISSED'}")
    return 0 if ours >= GOAL else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=10000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--ironic",
        metavar="VENV",
        help="virtual environment with a real Ironic",
    )
    return parser.parse_args()


def measure_service(
    software: Software, arguments: argparse.Namespace
) -> float:
    """Nodes per second of one service; prints a line."""
    with running(software) as service:
        fill(service.port, service.database, arguments.nodes)
        return measure(software.name, service.port, service.pid, arguments)


def measure(
    name: str, port: int, pid: int, arguments: argparse.Namespace
) -> float:
    rates, first, last = [], [], []
    walk(port, arguments.nodes)
    spent = cpu_seconds(pid)
    for _ in range(arguments.runs):
        began = time.perf_counter()
        times = walk(port, arguments.nodes)
        rates.append(arguments.nodes / (time.perf_counter() - began))
        first.append(times[0] * 1000)
        last.append(times[-1] * 1000)
    spent = (cpu_seconds(pid) - spent) / arguments.runs / arguments.nodes
    rate = statistics.median(rates)
    print(
        f"{name:18} {rate:8.0f} nodes/s (of {min(rates):.0f} to "
        f"{max(rates):.0f}); page 1 {statistics.median(first):.1f} ms, "
        f"page {len(times)} {statistics.median(last):.1f} ms; "
        f"service's CPU {spent * 1e6:.0f} us a node",
        flush=True,
    )
    return rate


def walk(port: int, expected: int) -> list[float]:
    """Read all pages; seconds of each."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    path: str | None = f"/v1/nodes?fields={FIELDS}&limit={PAGE}"
    times, seen = [], 0
    while path:
        began = time.perf_counter()
        connection.request("GET", path, headers=VERSION)
        answer = connection.getresponse()
        data = answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(data)
        found = data.count(b'"resource_class"')
        seen += found
        path = next_page(data)
        if not found and not path:
            # Ironic links to an empty page after a full last one.
            times.pop()
    connection.close()
    if seen != expected:
        raise RuntimeError(f"{seen} nodes instead of {expected}")
    return times


def next_page(data: bytes) -> str | None:
    """Path of the next page; the link is the last thing of the document."""
    _, found, rest = data.rpartition(b'"next": "')
    if not found:
        return None
    link = urlsplit(rest.partition(b'"')[0].decode())
    return f"{link.path}?{link.query}"


def fill(port: int, database: Path, count: int) -> None:
    """One node by the API, the others as copies of its row."""
    body = {
        "driver": "fake-hardware",
        "properties": PROPERTIES,
        "resource_class": "baremetal",
    }
    request(port, "POST", "/v1/nodes", body)
    with sqlite3.connect(database, timeout=60) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM nodes").fetchone())
        del row["id"]
        row |= {"provision_state": "available", "power_state": "power off"}
        connection.execute("DELETE FROM nodes")
        names = ", ".join(row)
        places = ", ".join(f":{name}" for name in row)
        connection.executemany(
            f"INSERT INTO nodes ({names}) VALUES ({places})",
            (
                row | {"uuid": str(uuid.uuid4()), "name": f"node-{number}"}
                for number in range(count)
            ),
        )
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
