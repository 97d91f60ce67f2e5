# SPDX-License-Identifier: Apache-2.0
"""The page on inspection in the user guide, word by word.

With the real ironic-inspector, and an ``ipmi_sim``. Only ports differ, so
that nothing else on the machine is disturbed.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.inspection.inspector import recommended
from lab.ipmi.target import Target, silent
from tests.docs import pages
from tests.docs.terminal import (
    API_PORT,
    LOOPBACK,
    Terminal,
    free_port,
    free_udp_port,
)

GUIDE = pages.SOURCE / "user" / "inspection.rst"
INSPECTOR_PORT, BMC_PORT = "5050", "6230"
#: Blocks that are done before the rest.
FIRST = (
    "inspection-inspector",
    "inspection-inspector-start",
    "inspection-configuration",
    "inspection-start",
    "inspection-machine",
)
#: Commands that only look. A person who sees the old state looks again.
LOOKING = (" show ", " list ", " inventory ")
SECONDS = 60.0


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal; both services of the guide and its machine are running."""
    instead = {
        API_PORT: str(free_port()),
        INSPECTOR_PORT: str(free_port()),
        BMC_PORT: str(free_udp_port()),
    }
    terminal = Terminal(tmp_path, instead)
    for name, block in (
        ("inspector.conf", "inspection-inspector"),
        ("baremetal-backend.conf", "inspection-configuration"),
    ):
        text = terminal.adapted(pages.block(GUIDE, block))
        (tmp_path / name).write_text(text)
    with ExitStack() as running:

        def start(block: str, log: str, where: Path) -> None:
            *before, last = pages.transcript(GUIDE, block)
            for command, _ in before:
                terminal.run(command)
            process = terminal.start(last[0].replace("\\\n", ""), log, where)
            running.callback(ended, process)

        start("inspection-inspector-start", "inspector.log", tmp_path)
        start("inspection-machine", "machine.log", pages.ROOT)
        [(command, _)] = pages.transcript(GUIDE, "inspection-start")
        service = terminal.start_service(command)
        running.callback(service.kill)
        assert not silent([Target(int(instead[BMC_PORT]))], SECONDS)
        until_inspector_serves(
            int(instead[INSPECTOR_PORT]), tmp_path / "inspector.log"
        )
        yield terminal
        service.terminate()
        assert service.wait(30) == 0


def ended(process: subprocess.Popen[bytes]) -> None:
    """Stop it as Ctrl+C does."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def until_inspector_serves(port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/"):
                return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(0.2)


# One journey: a command needs what the ones before it did.
@pytest.mark.timeout(900)
def test_the_commands_of_the_guide_print_what_the_guide_shows(
    terminal: Terminal, tmp_path: Path
) -> None:
    names = [name for name in pages.block_names(GUIDE) if name not in FIRST]
    assert len(names) >= 9
    for name in names:
        for command, shown in pages.transcript(GUIDE, name):
            terminal.prints(command, shown, LOOKING, SECONDS)
    said = (tmp_path / "machine.log").read_text()
    assert said.count("reported; the service answered 200") == 2
    inventory = json.loads((tmp_path / "server-1.json").read_text())
    assert inventory["inventory"]["cpu"]["count"] == 48
    log = (tmp_path / "service.log").read_text()
    assert "Traceback" not in log
    assert "secret" not in log


def test_the_page_configures_the_inspector_as_all_tests_do() -> None:
    shown = configparser.ConfigParser(default_section="none")
    shown.read_string(pages.block(GUIDE, "inspection-inspector"))
    written = {
        (section, name): value.lower()
        for section in shown.sections()
        for name, value in shown[section].items()
    }
    wanted = {
        (section, name): str(value).lower()
        for section, options in recommended("http://127.0.0.1:6385").items()
        for name, value in options.items()
    }
    # Where it listens and keeps its records differs from run to run.
    own = {("DEFAULT", "listen_port"), ("database", "connection")}
    assert written.keys() - own == wanted.keys()
    assert {key: written[key] for key in wanted} == wanted
