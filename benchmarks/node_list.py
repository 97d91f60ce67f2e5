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
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

FIELDS = (
    "uuid,power_state,target_power_state,provision_state,"
    "target_provision_state,last_error,maintenance,properties,"
    "instance_uuid,traits,resource_class"
)
VERSION = {"X-OpenStack-Ironic-API-Version": "1.82"}
PAGE = 1000
GOAL = 40000
PROPERTIES = {
    "cpus": 64,
    "memory_mb": 262144,
    "local_gb": 960,
    "cpu_arch": "x86_64",
    "capabilities": "boot_mode:uefi,secure_boot:true",
}

OURS = """\
[DEFAULT]
host = benchmark
state_path = {directory}
[api]
host_ip = 127.0.0.1
port = {port}
[database]
connection = sqlite:///{database}
"""

THEIRS = """\
[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = benchmark
my_ip = 127.0.0.1
state_path = {directory}
enabled_hardware_types = fake-hardware
enabled_boot_interfaces = fake
enabled_bios_interfaces = fake
enabled_console_interfaces = fake
enabled_deploy_interfaces = fake
enabled_firmware_interfaces = fake
enabled_inspect_interfaces = fake
enabled_management_interfaces = fake
enabled_network_interfaces = noop
enabled_power_interfaces = fake
enabled_raid_interfaces = fake
enabled_rescue_interfaces = fake
enabled_storage_interfaces = noop
enabled_vendor_interfaces = fake
[api]
host_ip = 127.0.0.1
port = {port}
[database]
connection = sqlite:///{database}
[conductor]
sync_power_state_interval = 0
[oslo_concurrency]
lock_path = {directory}
[service_catalog]
auth_type = none
endpoint_override = http://127.0.0.1:{port}
"""


def main() -> int:
    arguments = parse()
    print(f"{arguments.nodes} nodes in pages of {PAGE}, nova's fields")
    ours = measure_service(
        "baremetal-backend",
        [sys.executable, "-m", "baremetal_backend.cmd.all_in_one"],
        OURS,
        arguments,
    )
    if arguments.ironic:
        programs = Path(arguments.ironic) / "bin"
        theirs = measure_service(
            "ironic",
            [str(programs / "ironic")],
            THEIRS,
            arguments,
            [str(programs / "ironic-dbsync"), "create_schema"],
        )
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
    name: str,
    command: list[str],
    template: str,
    arguments: argparse.Namespace,
    before: list[str] | None = None,
) -> float:
    """Nodes per second of one service; prints a line."""
    with (
        tempfile.TemporaryDirectory(prefix="node-list-") as directory,
        running(command, template, Path(directory), before) as (port, pid),
    ):
        fill(port, Path(directory) / "nodes.sqlite", arguments.nodes)
        return measure(name, port, pid, arguments)


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


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children; a busy machine blurs it less
    than it blurs the time on the clock.
    """
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    found = Path(f"/proc/{pid}/task").glob("*/children")
    children = {int(p) for path in found for p in path.read_text().split()}
    return own + sum(map(cpu_seconds, children))


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


@contextmanager
def running(
    command: list[str],
    template: str,
    directory: Path,
    before: list[str] | None,
) -> Iterator[tuple[int, int]]:
    """The service, ready; its port and process id."""
    port = free_port()
    conf = directory / "service.conf"
    conf.write_text(
        template.format(
            directory=directory,
            port=port,
            database=directory / "nodes.sqlite",
        )
    )
    option = ["--config-file", str(conf)]
    with (directory / "service.log").open("wb") as log:
        if before:
            subprocess.run(
                [before[0], *option, *before[1:]],
                check=True,
                stdout=log,
                stderr=log,
                timeout=120,
            )
        process = subprocess.Popen([*command, *option], stdout=log, stderr=log)
    try:
        wait(lambda: answers(port), 90, process)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


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


def request(port: int, method: str, path: str, body: object = None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {**VERSION, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(text)
    return text


def answers(port: int) -> bool:
    try:
        # The drivers are there as soon as a conductor has registered.
        return b"fake-hardware" in request(port, "GET", "/v1/drivers")
    except (OSError, RuntimeError):
        return False


def wait(
    ready: Callable[[], bool], seconds: float, process: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the service did not start")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
