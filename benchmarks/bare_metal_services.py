# SPDX-License-Identifier: Apache-2.0
"""Our service and a real Ironic as processes, for benchmarks that run both.

Each gets a temporary SQLite file and fake hardware. Ironic comes from a
virtual environment of its own, made by
``python -m venv VENV; VENV/bin/pip install ironic``.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = {"X-OpenStack-Ironic-API-Version": "1.82"}

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


@dataclass(frozen=True)
class Software:
    """How a service is configured and started."""

    name: str
    command: tuple[str, ...]
    template: str
    before: tuple[str, ...] = ()


BACKEND = Software(
    "baremetal-backend",
    (sys.executable, "-m", "baremetal_backend.cmd.all_in_one"),
    OURS,
)


def ironic(venv: str) -> Software:
    """A real Ironic, all in one process."""
    programs = Path(venv) / "bin"
    return Software(
        "ironic",
        (str(programs / "ironic"),),
        THEIRS,
        (str(programs / "ironic-dbsync"), "create_schema"),
    )


@dataclass(frozen=True)
class Service:
    """A service that answers."""

    port: int
    pid: int
    directory: Path
    #: Seconds from the start of its process to its first answer.
    seconds_to_answer: float

    @property
    def database(self) -> Path:
        return self.directory / "nodes.sqlite"

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The answer's document; None without a body."""
        data = request(self.port, method, path, body)
        return json.loads(data) if data else None

    def resident(self) -> int:
        """Bytes of memory, with those of its children."""
        return resident(self.pid)


@contextmanager
def running(software: Software, options: str = "") -> Iterator[Service]:
    """The service, ready; stopped at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        port = free_port()
        conf = directory / "service.conf"
        conf.write_text(
            software.template.format(
                directory=directory,
                port=port,
                database=directory / "nodes.sqlite",
            )
            + options
        )
        option = ["--config-file", str(conf)]
        with (directory / "service.log").open("wb") as log:
            if software.before:
                subprocess.run(
                    [software.before[0], *option, *software.before[1:]],
                    check=True,
                    stdout=log,
                    stderr=log,
                    timeout=120,
                )
            began = time.monotonic()
            process = subprocess.Popen(
                [*software.command, *option], stdout=log, stderr=log
            )
        try:
            wait(lambda: answers(port), 90, process)
            yield Service(
                port, process.pid, directory, time.monotonic() - began
            )
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children; a busy machine blurs it less
    than it blurs the time on the clock.
    """
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    found = Path(f"/proc/{pid}/task").glob("*/children")
    children = {int(p) for path in found for p in path.read_text().split()}
    return own + sum(map(cpu_seconds, children))


def resident(pid: int) -> int:
    """Bytes of memory of a process and its children."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    found = Path(f"/proc/{pid}/task").glob("*/children")
    children = {int(p) for path in found for p in path.read_text().split()}
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident, children))


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
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
