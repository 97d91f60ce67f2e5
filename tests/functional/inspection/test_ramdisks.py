# SPDX-License-Identifier: Apache-2.0
"""Ramdisks that fail, report too late, too often, for nobody, or in vain."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.inspection import ramdisk_reports
from lab.inspection.ramdisk_reports import Hardware
from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import OFF, Machine, Pair

#: Seconds that a node may wait at the end of a test's patience; the inspector
#: itself would wait an hour.
DEADLINE = 2


@pytest.fixture(scope="module")
def running(make_pair: MakePair) -> Pair:
    return make_pair(
        # As it is by default: one 409 ends an introspection.
        inspector={"ironic": {"status_code_retries": None}},
    )


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    yield running
    running.heal()


def canceled(pair: Pair, machine: Machine) -> bool:
    """Whether the inspector was told that nobody waits any more."""
    record = pair.inspector.status(machine.uuid)
    return record is not None and record["error"] == "Canceled by operator"


def test_a_ramdisk_that_fails_is_given_up_at_the_deadline(
    pair: Pair,
) -> None:
    broken, deaf, blind = machines = pair.machines(3)
    pair.begun(*machines)
    reports = {
        broken.uuid: ramdisk_reports.failed(broken.report(), "no disk spins"),
        deaf.uuid: ramdisk_reports.without_cards(deaf.report()),
        blind.uuid: ramdisk_reports.without_inventory(blind.report()),
    }
    for answer in ramdisk_reports.post_all(pair.inspector, reports).values():
        assert answer.status == 400
    for machine in machines:
        # The inspector keeps to itself that it failed.
        record = pair.inspector.status(machine.uuid)
        assert record is not None
        assert (record["state"], record["error"]) == ("waiting", None)
        assert pair.show(machine)["provision_state"] == "inspect wait"
    with pair.deadline(DEADLINE):
        for machine in machines:
            shown = pair.ends(machine, "inspect failed")
            assert f"{DEADLINE} s" in shown["last_error"]
            assert "inspect_wait_timeout" in shown["last_error"]
    for machine in machines:
        until(
            lambda machine=machine: canceled(pair, machine),  # type: ignore[misc]
            10,
            "the inspector to be told",
        )
        until(
            lambda machine=machine: pair.show(machine)["power_state"] == OFF,  # type: ignore[misc]
            10,
            "the machine to be off",
        )
        pair.works(machine)


def test_a_machine_that_nobody_inspects_changes_nothing(pair: Pair) -> None:
    machine = pair.machine()
    resting = pair.machine()
    pair.begun(machine)
    unknown = Hardware(4711, bmc_address="10.99.0.1")
    answer = pair.inspector.report(unknown.report())
    assert answer.status == 400
    assert "Could not find a node" in answer.message
    assert pair.inspector.report(resting.report()).status == 400
    assert pair.show(machine)["provision_state"] == "inspect wait"
    assert pair.ports(resting) == {}
    pair.report(machine)
    pair.ends_well(machine)


def test_a_hook_that_fails_ends_it_at_once_with_its_text(pair: Pair) -> None:
    machine = pair.machine(properties={"root_device": {"name": "/dev/no"}})
    pair.begun(machine)
    answer = pair.inspector.report(machine.report())
    assert answer.status == 400
    shown = pair.ends(machine, "inspect failed")
    assert "No disks satisfied root device hints" in shown["last_error"]
    pair.patch(machine, "/properties/root_device", {"name": "/dev/sda"})
    pair.works(machine)


def test_a_node_that_the_inspector_could_not_recognize_fails_at_once(
    pair: Pair,
) -> None:
    machine = pair.machine()
    pair.patch(machine, "/driver_info", {})
    pair.inspect(machine)
    shown = pair.ends(machine, "inspect failed")
    assert "No lookup attributes were found" in shown["last_error"]
    pair.patch(
        machine, "/driver_info/ipmi_address", machine.hardware.bmc_address
    )
    pair.works(machine)


def test_a_ramdisk_that_reports_twice_is_heard_once(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    with ThreadPoolExecutor(4) as ramdisks:
        said = [machine.report() for _ in range(4)]
        answers = list(ramdisks.map(pair.inspector.report, said))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
    pair.ends_well(machine)
    before = pair.show(machine)
    assert pair.inspector.report(machine.report()).status == 400
    after = pair.show(machine)
    for field in ("provision_state", "properties", "last_error"):
        assert after[field] == before[field]


def test_a_report_after_the_deadline_changes_nothing(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    with pair.deadline(DEADLINE):
        failed = pair.ends(machine, "inspect failed")
    until(lambda: canceled(pair, machine), 10, "the inspector to be told")
    assert pair.inspector.report(machine.report()).status == 400
    pair.stay([machine], "inspect failed", 2.5)
    shown = pair.show(machine)
    assert shown["properties"] == {}
    assert shown["last_error"] == failed["last_error"]
    assert pair.ports(machine) == {}
    assert pair.inventory(machine).status == 404
    pair.works(machine)


def test_a_node_in_use_makes_the_inspector_wait_and_not_fail(
    pair: Pair,
) -> None:
    machine = pair.machine()
    pair.begun(machine)
    with pair.held(machine, 4):
        before = time.monotonic()
        pair.report(machine)
        assert time.monotonic() - before > 2
    pair.ends_well(machine)
    until(lambda: pair.show(machine)["power_state"] == OFF, 10, "power off")


def test_a_long_switch_at_the_end_delays_the_end_only(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    pair.patch(machine, "/driver_info/fake_power_delay", 4)
    pair.report(machine)
    pair.ends_well(machine)
    until(lambda: pair.show(machine)["power_state"] == OFF, 10, "power off")
