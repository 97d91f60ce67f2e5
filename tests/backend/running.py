# SPDX-License-Identifier: Apache-2.0
"""The bare metal service as a process, and a client that only speaks HTTP."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
NEWEST = "1.95"


@dataclass(frozen=True)
class Reply:
    """An answer; ``json`` is None without a body."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data) if self.data else None

    @property
    def fault(self) -> str:
        """The sentence that clients show for an error."""
        return str(json.loads(self.json["error_message"])["faultstring"])


class Http:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        version: str | None = NEWEST,
        raw: bytes | None = None,
        **headers: str,
    ) -> Reply:
        sent = {"Content-Type": "application/json"}
        if version is not None:
            sent["X-OpenStack-Ironic-API-Version"] = version
        sent |= {k.replace("_", "-"): v for k, v in headers.items()}
        data = raw
        if data is None and body is not None:
            data = json.dumps(body).encode()
        connection = http.client.HTTPConnection(
            LOOPBACK, self.port, timeout=30
        )
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Reply(
                answer.status,
                {k.lower(): v for k, v in answer.getheaders()},
                answer.read(),
            )
        finally:
            connection.close()


class RunningBackend:
    """``python -m baremetal_backend.cmd.all_in_one`` on a free port."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        port: int | None = None,
        **options: Mapping[str, str],
    ) -> None:
        """``wrapper``: a command that becomes the one in its arguments.

        ``port``: where an earlier one in this directory was; None: a new one.
        """
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.http = Http(self.port)
        self.log = directory / "backend.log"
        self.database = directory / "backend.sqlite"
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {"host": "one", "state_path": str(directory)},
            "api": {"host_ip": LOOPBACK, "port": str(self.port)},
            "database": {"connection": f"sqlite:///{self.database}"},
        }
        for name, values in options.items():
            sections.setdefault(name, {}).update(values)
        conf = directory / "backend.conf"
        conf.write_text(
            "".join(
                f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in v.items())
                for name, v in sections.items()
            )
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *wrapper,
                    sys.executable,
                    "-m",
                    "baremetal_backend.cmd.all_in_one",
                    "--config-file",
                    str(conf),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                env={**os.environ, **(environment or {})},
            )
        try:
            until(self._ready, 60, "the service to be ready")
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(self.log.read_text()[-4000:])
        try:
            return self.http("GET", "/healthcheck").status == 200
        except OSError:
            return False

    def stop(self, timeout: float = 20) -> int:
        """Ask it to leave; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)

    def node(self, **values: Any) -> dict[str, Any]:
        """Enrol a node."""
        reply = self.http(
            "POST", "/v1/nodes", {"driver": "fake-hardware", **values}
        )
        assert reply.status == 201, reply.data
        return dict(reply.json)

    def state(self, node: str, wanted: str, timeout: float = 30) -> None:
        """Wait for a provision state; fail at once on another's error."""

        def reached() -> bool:
            shown = self.http("GET", f"/v1/nodes/{node}/states").json
            return bool(shown["provision_state"] == wanted)

        until(reached, timeout, f"{node} to be {wanted}")

    def available_node(self, **values: Any) -> dict[str, Any]:
        """Enrol a node and make it available."""
        node = self.node(**values)
        for verb, state in (
            ("manage", "manageable"),
            ("provide", "available"),
        ):
            path = f"/v1/nodes/{node['uuid']}/states/provision"
            reply = self.http("PUT", path, {"target": verb})
            assert reply.status == 202, reply.data
            self.state(node["uuid"], state)
        return dict(self.http("GET", f"/v1/nodes/{node['uuid']}").json)


def until(happened: Callable[[], bool], timeout: float, what: str) -> None:
    """Wait, with a deadline."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(0.05)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
