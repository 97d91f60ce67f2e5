# SPDX-License-Identifier: Apache-2.0
"""Fifty nodes at once, with a real ironic-inspector."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab.faulty_proxy import Request
from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import OFF, ON, POLL, Machine, Pair

COUNT = 50
#: Seconds between two polls, while the fifty are inspected; and what
#: whole-second timestamps and a busy host may add.
PERIOD, SLACK = 10, 3

#: What some of the nodes have already, and no ramdisk would find.
EXISTING: Mapping[str, Any] = {
    "cpus": 3,
    "memory_mb": 777,
    "local_gb": 11,
    "cpu_arch": "ppc64le",
    "capabilities": "boot_mode:bios,cpu_vt:false,raid_level:1",
    "vendor": "nobody",
}
#: What others have of that.
PARTLY: Mapping[str, Any] = {"memory_mb": 778, "cpus": 0}


def before(number: int) -> dict[str, Any]:
    """Properties that a node has from the start, by position."""
    if number % 5 == 0:
        return dict(EXISTING)
    if number % 5 == 1:
        return dict(PARTLY)
    return {}


@pytest.fixture(scope="module")
def pair(make_pair: MakePair) -> Pair:
    """Options are the defaults, but for the time between two polls."""
    return make_pair(
        options={"discoverd": {"status_check_period": str(PERIOD)}}
    )


@pytest.fixture(scope="module")
def inspected(pair: Pair) -> Iterator[list[Machine]]:
    """Fifty nodes, all inspected at the same time."""
    machines = pair.machines(
        COUNT, lambda number: {"properties": before(number)}
    )
    pair.begun(*machines)
    nodes = pair.shown()
    for machine in machines:
        node = nodes[machine.uuid]
        assert node["provision_state"] == "inspect wait"
        assert node["power_state"] == ON
        assert node["reservation"] is None
    pair.report(*machines)

    def all_ended() -> bool:
        found = pair.shown()
        return all(
            found[machine.uuid]["provision_state"] == "manageable"
            for machine in machines
        )

    until(all_ended, 60, "the end of fifty inspections")
    yield machines


def test_fifty_nodes_end_manageable_with_what_was_found(
    pair: Pair, inspected: list[Machine]
) -> None:
    nodes = pair.shown()
    for number, machine in enumerate(inspected):
        node = nodes[machine.uuid]
        assert node["last_error"] is None
        assert node["fault"] is None
        assert node["maintenance"] is False
        assert node["target_provision_state"] is None
        if number % 5 > 1:
            found = dict(node["properties"])
            capabilities = found.pop("capabilities")
            assert found == machine.hardware.expected_properties
            assert "cpu_vt:true" in capabilities.split(",")


def test_existing_properties_are_kept_and_missing_ones_filled_in(
    pair: Pair, inspected: list[Machine]
) -> None:
    nodes = pair.shown()
    for number, machine in enumerate(inspected):
        found = dict(nodes[machine.uuid]["properties"])
        if number % 5 == 0:
            capabilities = pairs(found.pop("capabilities"))
            own = pairs(EXISTING["capabilities"])
            assert {key: capabilities[key] for key in own} == own
            assert capabilities["cpu_aes"] == "true"
            for name in set(EXISTING) - {"capabilities"}:
                assert found[name] == EXISTING[name]
        if number % 5 == 1:
            expected = machine.hardware.expected_properties
            assert found.pop("memory_mb") == PARTLY["memory_mb"]
            # A 0 is no number of processors.
            assert found["cpus"] == expected["cpus"]
            assert found["local_gb"] == expected["local_gb"]
            assert found["cpu_arch"] == expected["cpu_arch"]


def pairs(capabilities: str) -> dict[str, str]:
    """``a:b,c:d`` as a mapping."""
    return dict(one.split(":", 1) for one in capabilities.split(","))


def test_each_card_has_become_a_port(
    pair: Pair, inspected: list[Machine]
) -> None:
    for machine in inspected:
        ports = pair.ports(machine)
        booted, other = machine.hardware.macs
        assert set(ports) == {booted, other}
        assert ports[booted]["pxe_enabled"] is True
        assert ports[other]["pxe_enabled"] is False


def test_the_inventory_of_each_is_what_its_ramdisk_said(
    pair: Pair, inspected: list[Machine]
) -> None:
    for machine in inspected:
        reply = pair.inventory(machine)
        assert reply.status == 200
        report = machine.report()
        assert reply.json["inventory"] == report["inventory"]
        rest = reply.json["plugin_data"]
        assert rest["root_disk"] == report["root_disk"]
        assert sorted(rest["macs"]) == sorted(machine.hardware.macs)


def test_each_ends_with_the_poll_after_the_service_finished_it(
    pair: Pair, inspected: list[Machine]
) -> None:
    finished = pair.inspector.statuses()
    nodes = pair.shown()
    late = {
        machine.uuid: seconds(nodes[machine.uuid]["provision_updated_at"])
        - seconds(finished[machine.uuid]["finished_at"])
        for machine in inspected
    }
    assert max(late.values()) <= PERIOD + SLACK
    for machine in inspected:
        node = nodes[machine.uuid]
        assert seconds(node["inspection_finished_at"]) >= seconds(
            node["inspection_started_at"]
        )


def seconds(moment: str) -> float:
    """Of a time in UTC, with or without a zone."""
    parsed = datetime.datetime.fromisoformat(moment)
    return parsed.replace(tzinfo=datetime.UTC).timestamp()


def test_each_is_switched_off_at_the_end(
    pair: Pair, inspected: list[Machine]
) -> None:
    def all_off() -> bool:
        nodes = pair.shown()
        return all(
            nodes[machine.uuid]["power_state"] == OFF
            and nodes[machine.uuid]["target_power_state"] is None
            for machine in inspected
        )

    until(all_off, 10, "all machines to be off")


def test_each_ones_history_tells_the_way(
    pair: Pair, inspected: list[Machine]
) -> None:
    way = (
        '"manageable" -> "inspecting"',
        '"inspecting" -> "inspect wait"',
        '-> "manageable" on done',
    )
    for machine in inspected:
        told = iter(pair.history(machine))
        for step in way:
            assert any(step in sentence for sentence in told), step


def test_all_waiting_nodes_cost_one_question_per_poll(
    pair: Pair, inspected: list[Machine]
) -> None:
    pair.restart(discoverd={"status_check_period": str(POLL)})
    machines = pair.machines(10)
    pair.begun(*machines)
    # What was under way at the time is counted elsewhere.
    until(lambda: lists(pair) != [], 5, "a poll")
    time.sleep(2 * POLL)
    pair.proxy.requests.clear()
    until(lambda: len(lists(pair)) >= 3, 10, "three polls of the service")
    asked = list(pair.proxy.requests)
    assert asked == lists(pair)[: len(asked)]
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine)


def lists(pair: Pair) -> list[Request]:
    """Requests for the records of all nodes."""
    return [
        request
        for request in list(pair.proxy.requests)
        if request.path == "/v1/introspection"
    ]


def test_existing_properties_are_overwritten_if_the_operator_says_so(
    pair: Pair, inspected: list[Machine]
) -> None:
    pair.restart(
        discoverd={
            "overwrite_existing": "true",
            "status_check_period": str(POLL),
        }
    )
    machines = [inspected[0], pair.machine(properties=dict(EXISTING))]
    pair.begun(*machines)
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine)
        found = pair.show(machine)["properties"]
        assert found["vendor"] == EXISTING["vendor"]
        capabilities = pairs(found["capabilities"])
        assert capabilities["cpu_vt"] == "true"
        # The service knows nothing of these.
        assert capabilities["raid_level"] == "1"
