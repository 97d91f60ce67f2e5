# SPDX-License-Identifier: Apache-2.0
"""An ironic-inspector that is restarted, with and without its database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import Pair


@pytest.fixture(scope="module")
def running(make_pair: MakePair) -> Pair:
    return make_pair()


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    yield running
    running.heal()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_node_that_waits_outlives_a_restart_of_the_service(
    pair: Pair, kill: bool
) -> None:
    machine = pair.machine()
    pair.begun(machine)
    pair.inspector.restart(kill=kill)
    assert pair.show(machine)["provision_state"] == "inspect wait"
    pair.report(machine)
    pair.ends_well(machine)


def test_a_service_that_forgot_the_node_is_said_at_once(pair: Pair) -> None:
    machine, other = pair.machines(2)
    pair.begun(machine)
    pair.inspector.restart(forget=True)
    shown = pair.ends(machine, "inspect failed")
    assert "has no record of this inspection any more" in shown["last_error"]
    pair.works(machine)
    pair.works(other)


def test_what_died_with_the_service_ends_at_the_deadline(pair: Pair) -> None:
    starting, processing = machines = pair.machines(2)
    pair.begun(processing)
    pair.patch(starting, "/driver_info/fake_management_delay", 6)
    with pair.held(processing, 6), pair.reporting(processing):
        pair.inspect(starting)
        pair.inspector.wait_state(processing.uuid, "processing")
        pair.inspector.wait_state(starting.uuid, "starting")
        pair.inspector.kill()
    pair.inspector.start()
    # It stays so: nobody goes on with it.
    records = pair.inspector.statuses()
    assert records[processing.uuid]["state"] == "processing"
    assert records[starting.uuid]["state"] == "starting"
    with pair.deadline(2):
        for machine in machines:
            shown = pair.ends(machine, "inspect failed")
            assert "inspect_wait_timeout" in shown["last_error"]
    # Until its own hour is over, the service refuses them; that may change.
    pair.patch(starting, "/driver_info/fake_management_delay", 0)
    pair.inspect(starting)
    pair.stay([starting], "inspect wait", 2)
    pair.ask(starting.uuid, "abort")
    pair.ends(starting, "inspect failed")
    pair.inspector.restart(forget=True)
    for machine in machines:
        pair.works(machine)
