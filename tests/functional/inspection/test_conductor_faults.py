# SPDX-License-Identifier: Apache-2.0
"""Our service is killed, or told to stop, while nodes are inspected."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import OFF, POLL, Machine, Pair


@pytest.fixture(scope="module")
def running(make_pair: MakePair) -> Pair:
    return make_pair()


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    yield running
    running.heal()


def abort(pair: Pair, machine: Machine) -> None:
    """Ask for the end of its inspection."""
    pair.ask(machine.uuid, "abort")


# -- deaths ----------------------------------------------------------------


def test_a_kill_right_after_the_request_loses_no_node(pair: Pair) -> None:
    """Each is somewhere else between the request and the service's 202."""
    machines = pair.machines(6)
    for machine in machines:
        pair.inspect(machine)
        time.sleep(0.05)
    pair.kill()
    pair.start()
    until(
        lambda: not pair.in_state(machines, "inspecting"),
        20,
        "the operations that died to be ended",
    )
    for machine in pair.in_state(machines, "inspect failed"):
        # It had the node itself, and wrote nothing after its death.
        error = pair.show(machine)["last_error"]
        assert 'stopped while the node was "inspecting"' in error
        pair.inspect(machine)
    pair.until_booted(*machines)
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine)


def test_a_kill_while_ramdisks_run_is_nothing_to_the_inspection(
    pair: Pair,
) -> None:
    machines = pair.machines(3)
    pair.begun(*machines)
    records = pair.inspector.statuses()
    asked = {machine.uuid: len(pair.starts(machine)) for machine in machines}
    pair.kill()
    pair.start()
    pair.stay(machines, "inspect wait", 3 * POLL)
    assert pair.inspector.statuses() == records
    for machine in machines:
        assert len(pair.starts(machine)) == asked[machine.uuid]
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine)


def test_what_ended_while_we_were_dead_is_seen_afterwards(pair: Pair) -> None:
    good, bad = machines = pair.machines(2)
    pair.patch(bad, "/properties/root_device", {"name": "/dev/no"})
    pair.begun(*machines)
    # Polls come to nothing: both end unseen.
    pair.proxy.go_down()
    pair.report(good)
    assert pair.inspector.report(bad.report()).status == 400
    for machine in machines:
        pair.inspector.wait_state(machine.uuid, "finished", "error")
    pair.kill()
    pair.proxy.come_up()
    pair.start()
    pair.ends_well(good)
    shown = pair.ends(bad, "inspect failed")
    assert "root device hints" in shown["last_error"]


def test_a_kill_while_reports_come_in_loses_none(pair: Pair) -> None:
    """The inspector calls us all the time, and has to call again."""
    machines = pair.machines(5)
    pair.begun(*machines)
    with pair.reporting(*machines) as answers:
        pair.until_patched(machines)
        pair.kill()
        pair.start()
    # Which of them had been answered, nobody knows; all are.
    assert [one.result().status for one in answers] == [200] * len(machines)
    for machine in machines:
        pair.ends_well(machine, 30)


def test_a_stop_in_peace_keeps_inspections(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    pair.restart()
    pair.report(machine)
    pair.ends_well(machine)


# -- abort -----------------------------------------------------------------


def test_an_abort_reaches_the_inspector_and_the_machine(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    abort(pair, machine)
    shown = pair.ends(machine, "inspect failed")
    assert "abort" in shown["last_error"].lower()
    record = pair.inspector.wait_state(machine.uuid, "error")
    assert record["error"] == "Canceled by operator"
    until(lambda: pair.show(machine)["power_state"] == OFF, 10, "power off")
    pair.works(machine)


def test_an_abort_while_the_service_is_away_ends_it_here(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    pair.proxy.go_down()
    abort(pair, machine)
    shown = pair.ends(machine, "inspect failed")
    assert "abort" in shown["last_error"].lower()
    assert pair.proxy.url in shown["last_error"]
    pair.proxy.come_up()
    # It is told as soon as it can be.
    record = pair.inspector.wait_state(machine.uuid, "error", seconds=30)
    assert record["error"] == "Canceled by operator"
    pair.works(machine)


def test_an_abort_before_the_service_was_asked_asks_nothing(
    pair: Pair,
) -> None:
    machine = pair.machine()
    pair.proxy.go_down()
    pair.inspect(machine)
    pair.stay([machine], "inspect wait", 2 * POLL)
    abort(pair, machine)
    pair.ends(machine, "inspect failed")
    pair.proxy.come_up()
    pair.stay([machine], "inspect failed", 5 * POLL)
    assert pair.inspector.status(machine.uuid) is None
    pair.works(machine)


def test_an_abort_during_the_start_is_repeated_until_it_is_heard(
    pair: Pair,
) -> None:
    machine = pair.machine(driver_info={"fake_management_delay": 3})
    pair.inspect(machine)
    pair.inspector.wait_state(machine.uuid, "starting")
    abort(pair, machine)
    pair.ends(machine, "inspect failed")
    record = pair.inspector.wait_state(machine.uuid, "error", seconds=20)
    assert record["error"] == "Canceled by operator"
    pair.patch(machine, "/driver_info/fake_management_delay", 0)
    pair.works(machine)
