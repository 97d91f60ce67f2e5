# SPDX-License-Identifier: Apache-2.0
"""What may go wrong with a real machine while it inspects itself.

Our service, ironic-inspector, a controller (ipmi_sim) and a machine (qemu);
no Nova.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.backend import Backend
from lab.inspection.loop import Loop
from lab.processes import Crew
from lab.waiting import wait_for

pytestmark = pytest.mark.timeout(600)

#: Of a machine that hangs, instead of half an hour.
WAIT_SECONDS = 8
NODE = "machine"
#: Of no NIC of the machine.
WRONG_MAC = "52:54:00:00:3a:0f"


@pytest.fixture(scope="module")
def whole_loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """All parts run; there is no node yet."""
    crew = Crew(tmp_path_factory.mktemp("loop"))
    try:
        backend = Backend(crew)
        loop = Loop(
            crew, backend, {"conductor": {"check_provision_state_interval": 1}}
        )
        backend.process.start()
        loop.start()
        backend.process.wait_ready()
        yield loop
    finally:
        crew.stop()


@pytest.fixture
def loop(whole_loop: Loop) -> Iterator[Loop]:
    """The same; the machine is off before and after, its node removed."""
    yield whole_loop
    whole_loop.machine.wait_off()
    whole_loop.remove()


def test_a_machine_that_reports_to_a_service_that_is_away_tries_again(
    loop: Loop,
) -> None:
    loop.enrol(NODE)
    loop.order("inspect")
    loop.machine.wait_said("up, on")
    loop.inspector.kill()
    loop.machine.wait_said("no answer: ")
    assert loop.node.provision_state == "inspect wait"

    loop.inspector.start()

    loop.wait_state("manageable")
    loop.check_booted_for_it()
    loop.check_found()


def test_a_machine_that_nobody_knows_says_why_it_was_refused(
    loop: Loop,
) -> None:
    loop.enrol(NODE, mac=WRONG_MAC)
    loop.order("inspect")

    (refusal,) = loop.machine.wait_said("refused the report (400): ")

    assert "Could not find a node" in refusal
    assert loop.machine.build.macs[0] in refusal
    assert loop.node.provision_state == "inspect wait"
    assert loop.machine.is_on
    loop.order("abort")
    loop.wait_state("inspect failed", 60)


def test_a_machine_that_hangs_is_given_up_and_switched_off(
    loop: Loop,
) -> None:
    loop.enrol(NODE)
    loop.reconfigure({"conductor": {"inspect_wait_timeout": WAIT_SECONDS}})
    loop.order("inspect")
    wait_for(lambda: loop.machine.is_on, 60, "machine that is on", every=0.1)

    loop.machine.hang()

    loop.wait_state("inspect failed", 60)
    assert "[conductor]inspect_wait_timeout" in loop.node.last_error
    loop.machine.wait_off(60)
    assert loop.machine.journal[-1] == "power 0"
