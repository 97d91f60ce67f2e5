# SPDX-License-Identifier: Apache-2.0
"""The commands of the user guide do what the guide shows.

They are taken from the page and run in order by a shell, with the real
``openstack`` client, against the service that the page tells to start. Only
the port differs, so that a service on the default port is not disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.terminal import API_PORT, Terminal, free_port

GUIDE = pages.SOURCE / "user" / "backend.rst"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a directory where the guide's service is running."""
    terminal = Terminal(tmp_path, {API_PORT: str(free_port())})
    (tmp_path / "baremetal-backend.conf").write_text(
        terminal.adapted(pages.block(GUIDE, "guide-configuration"))
    )
    [(command, shown)] = pages.transcript(GUIDE, "guide-start")
    assert not shown
    service = terminal.start_service(command)
    try:
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
