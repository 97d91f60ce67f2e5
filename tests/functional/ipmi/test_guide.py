# SPDX-License-Identifier: Apache-2.0
"""The page on IPMI in the user guide, word by word, on a real ``ipmi_sim``.

Only ports differ, so that nothing else on the machine is disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.ipmi.target import Target, silent
from tests.docs import pages
from tests.docs.terminal import (
    API_PORT,
    Terminal,
    free_port,
    free_udp_port,
)

GUIDE = pages.SOURCE / "user" / "ipmi.rst"
BMC_PORT, CONSOLE_PORT = "6230", "10000"
#: Blocks that are done before the rest.
FIRST = ("ipmi-configuration", "ipmi-start", "ipmi-controller")
#: Commands that only look. A person who sees the old state looks again.
LOOKING = (" show ", " power status")
SECONDS = 20.0


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal; the guide's service and its controller are running."""
    bmc_port = free_udp_port()
    terminal = Terminal(
        tmp_path,
        {
            API_PORT: str(free_port()),
            BMC_PORT: str(bmc_port),
            CONSOLE_PORT: str(free_port()),
        },
    )
    (tmp_path / "baremetal-backend.conf").write_text(
        terminal.adapted(pages.block(GUIDE, "ipmi-configuration"))
    )
    with ExitStack() as running:
        [(command, _)] = pages.transcript(GUIDE, "ipmi-controller")
        controller = terminal.start(command, "controller.log", pages.ROOT)
        running.callback(controller.wait, 30)
        running.callback(controller.terminate)
        [(command, _)] = pages.transcript(GUIDE, "ipmi-start")
        service = terminal.start_service(command)
        running.callback(service.kill)
        assert not silent([Target(bmc_port)], SECONDS)
        yield terminal
        service.terminate()
        assert service.wait(30) == 0


# One journey: a command needs what the ones before it did.
@pytest.mark.timeout(600)
def test_the_commands_of_the_guide_print_what_the_guide_shows(
    terminal: Terminal, tmp_path: Path
) -> None:
    names = [name for name in pages.block_names(GUIDE) if name not in FIRST]
    assert len(names) >= 8
    for name in names:
        for command, shown in pages.transcript(GUIDE, name):
            terminal.prints(command, shown, LOOKING, SECONDS)
    said = (tmp_path / "controller.log").read_text()
    assert "openstack baremetal node create --driver ipmi" in said
    assert "secret" not in (tmp_path / "service.log").read_text()
