# SPDX-License-Identifier: Apache-2.0
"""A terminal in which a test types what a page of the user guide shows.

The ``openstack`` client runs inside the test's process, which is faster. All
else is given to a shell as it stands.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from tests.clients.inside import openstack

LOOPBACK = "127.0.0.1"
#: Where the service listens if its configuration says nothing.
API_PORT = "6385"
#: The client takes seconds to start, much longer on a busy machine.
COMMAND_SECONDS = 180
START_SECONDS = 60.0
# What a command says is a word of another one.
_INNER = re.compile(r"\$\(openstack ([^()]+)\)")


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_udp_port() -> int:
    """The same for datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def words(text: str) -> list[str]:
    """What is compared: a busy machine takes longer than the page says."""
    return re.sub(r"after \d+\.\d s", "after 0.0 s", text).split()


class Terminal:
    """A shell that keeps its variables from command to command.

    :param directory: where it stands
    :param instead: texts of the page, such as ports, and what is typed
        instead, so that nothing of the machine is disturbed
    """

    def __init__(self, directory: Path, instead: Mapping[str, str]) -> None:
        self._directory = directory
        self._instead = instead
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

    def adapted(self, text: str) -> str:
        """A text of the page as it is on this machine."""
        shown = "|".join(map(re.escape, self._instead))
        return re.sub(shown, lambda found: self._instead[found[0]], text)

    def run(self, command: str) -> str:
        """Run one command; return all that it prints."""
        command = _INNER.sub(self._inner, self.adapted(command))
        name, *words = shlex.split(command.replace("\\\n", ""))
        if name == "export":
            self._environment.update(word.split("=", 1) for word in words)
            return ""
        if name == "openstack" and "|" not in words:
            return self._openstack(words)
        done = subprocess.run(
            ["bash", "-c", command],
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

    def prints(
        self, command: str, shown: str, looking: Sequence[str], seconds: float
    ) -> None:
        """Run a command; it has to print what the page shows.

        A person who looks too early looks again: so does this.

        :param looking: words of commands that only look
        """
        expected = words(self.adapted(shown))
        deadline = time.monotonic() + seconds
        again = any(word in command for word in looking)
        while True:
            printed = self.run(command)
            if words(printed) == expected:
                return
            assert again and time.monotonic() < deadline, (
                command,
                printed,
                expected,
            )
            time.sleep(0.2)

    def _inner(self, found: re.Match[str]) -> str:
        return self._openstack(shlex.split(found[1])).strip()

    def _openstack(self, words: list[str]) -> str:
        screen = io.StringIO()
        with (
            contextlib.chdir(self._directory),
            mock.patch.dict(os.environ, self._environment, clear=True),
            contextlib.redirect_stdout(screen),
            contextlib.redirect_stderr(screen),
            warnings.catch_warnings(action="ignore"),
        ):
            openstack(words)
        return screen.getvalue()

    def start(
        self, command: str, log: str, directory: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command that goes on, without a shell around it.

        :param directory: where it is typed; None: where the terminal stands
        """
        with (self._directory / log).open("wb") as output:
            return subprocess.Popen(
                self.adapted(command).split(),
                cwd=directory or self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start_service(self, command: str) -> subprocess.Popen[bytes]:
        """Start the bare metal service, and wait until it answers."""
        service = self.start(command, "service.log")
        log = self._directory / "service.log"
        port = int(self.adapted(API_PORT))
        deadline = time.monotonic() + START_SECONDS
        try:
            while not _is_ready(port):
                said = log.read_text(errors="replace")
                assert service.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)
        except BaseException:
            service.kill()
            service.wait(30)
            raise
        return service


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
