# SPDX-License-Identifier: Apache-2.0
"""The commands of the user guide do what the guide shows.

They are taken from the page and run in order by a shell, with the real
``openstack`` client, against the service that the page tells to start. Only
the port differs, so that a service on the default port is not disturbed.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import pages

GUIDE = pages.SOURCE / "user" / "backend.rst"
DEFAULT_PORT = "6385"
LOOPBACK = "127.0.0.1"
#: The client takes seconds to start, much longer on a busy machine.
COMMAND_SECONDS = 180
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Terminal:
    """A shell that keeps its variables from command to command."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._exports: list[str] = []
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OS_") or name.startswith("OS_NOVA")
        } | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "PYTHONUNBUFFERED": "1",
            # Long lines would be folded to the width of a terminal.
            "COLUMNS": "500",
            "PYTHONWARNINGS": "ignore",
        }

    def run(self, command: str) -> str:
        """Run one command; return all that it prints."""
        command = command.replace(DEFAULT_PORT, str(self._port))
        if command.startswith("export "):
            self._exports.append(command)
            return ""
        done = subprocess.run(
            ["bash", "-c", "\n".join([*self._exports, command])],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return done.stdout

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on, without a shell around it."""
        with (self._directory / "service.log").open("wb") as log:
            return subprocess.Popen(
                command.split(),
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a directory where the guide's service is running."""
    port = free_port()
    (tmp_path / "baremetal-backend.conf").write_text(
        pages.block(GUIDE, "guide-configuration").replace(
            DEFAULT_PORT, str(port)
        )
    )
    terminal = Terminal(tmp_path, port)
    [(command, shown)] = pages.transcript(GUIDE, "guide-start")
    assert not shown
    service = terminal.start(command)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(port):
            log = (tmp_path / "service.log").read_text(errors="replace")
            assert service.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)
        yield terminal
        service.terminate()
        assert service.wait(30) == 0
    finally:
        service.kill()
        service.wait(30)


# One journey: a command needs what the ones before it did.
@pytest.mark.timeout(1800)
def test_the_commands_of_the_guide_print_what_the_guide_shows(
    terminal: Terminal, tmp_path: Path
) -> None:
    names = [
        name
        for name in pages.block_names(GUIDE)
        if name not in ("guide-configuration", "guide-start")
    ]
    assert len(names) >= 6
    for name in names:
        for command, shown in pages.transcript(GUIDE, name):
            printed = terminal.run(command)
            assert printed.split() == shown.split(), (command, printed)
    assert (tmp_path / "state" / "baremetal.sqlite").exists()
