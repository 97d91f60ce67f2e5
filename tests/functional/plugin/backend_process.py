# SPDX-License-Identifier: Apache-2.0
"""The bare metal service as a process of its own, on SQLite.

Knows its command line and its configuration file, nothing of its inside.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class BackendProcess:
    """Started by the constructor; ``stop`` ends it.

    :param directory: for its configuration, its database and its log.
    :raises RuntimeError: it did not answer in time, with the log's end.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.log = directory / "baremetal-backend.log"
        conf = directory / "baremetal-backend.conf"
        conf.write_text(
            textwrap.dedent(f"""\
                [DEFAULT]
                auth_strategy = noauth
                host = backend
                [api]
                host_ip = {LOOPBACK}
                port = {self.port}
                [database]
                connection = sqlite:///{directory / "nodes.sqlite"}
                """)
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "baremetal_backend.cmd.all_in_one",
                    f"--config-file={conf}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the service ended: {self._log_end()}")
            if answers(self.port):
                return
            time.sleep(0.1)
        raise RuntimeError(f"the service is silent: {self._log_end()}")

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """Ask it to leave; kill it if it does not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether an HTTP server on this port answers ``GET /``."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()
