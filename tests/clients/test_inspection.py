# SPDX-License-Identifier: Apache-2.0
"""The clients of Ironic inspect nodes, with a real ironic-inspector."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack import exceptions

from tests.backend.running import until
from tests.clients.conftest import Cli
from tests.functional.inspection.service import OFF, Machine, Pair

#: Shown while a command waits.
WAITING = "Waiting for provision state manageable on node(s)"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.close()


@pytest.fixture(scope="module")
def cli(pair: Pair) -> Cli:
    return Cli(pair.backend.url)


@pytest.fixture(scope="module")
def baremetal(pair: Pair) -> Any:
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_type="none",
        baremetal_endpoint_override=pair.backend.url,
    ).baremetal


@contextlib.contextmanager
def booting(pair: Pair, *machines: Machine) -> Iterator[None]:
    """Meanwhile their ramdisks boot and report."""

    def life() -> None:
        pair.until_booted(*machines)
        pair.report(*machines)

    with ThreadPoolExecutor(1, "ramdisks") as ramdisks:
        reported = ramdisks.submit(life)
        yield
        reported.result(60)


# -- openstack baremetal ----------------------------------------------------


def test_inspect_waits_until_the_node_is_manageable(
    pair: Pair, cli: Cli
) -> None:
    machine = pair.machine()
    with booting(pair, machine):
        said = cli("node", "inspect", machine.uuid, "--wait", "60")
    assert said.strip() == f"{WAITING} {machine.uuid}"
    node = cli.show("node", "show", machine.uuid)
    assert node["provision_state"] == "manageable"
    assert node["last_error"] is None
    found = machine.hardware.expected_properties
    assert {key: node["properties"][key] for key in found} == found
    assert node["inspection_finished_at"] >= node["inspection_started_at"]
    ports = cli.rows("port", "list", "--node", machine.uuid)
    assert {port["address"] for port in ports} == set(machine.hardware.macs)


def test_one_command_inspects_several_nodes(pair: Pair, cli: Cli) -> None:
    machines = pair.machines(3)
    uuids = [machine.uuid for machine in machines]
    with booting(pair, *machines):
        cli("node", "inspect", *uuids, "--wait", "60")
    for machine in machines:
        pair.ends_well(machine, seconds=1)


def test_a_failed_inspection_ends_the_command_with_the_reason(
    pair: Pair, cli: Cli
) -> None:
    machine = pair.machine()
    pair.patch(machine, "/driver_info", {})
    ended = cli.run("node", "inspect", machine.uuid, "--wait", "60")
    assert ended.code != 0
    assert "It's in state inspect failed" in ended.err
    assert "No lookup attributes were found" in ended.err
    error = cli.show("node", "show", machine.uuid)["last_error"]
    assert error in ended.err
    history = cli.rows("node", "history", "list", machine.uuid)
    assert any(error in entry["event"] for entry in history)


def test_a_node_is_aborted_and_inspected_again(pair: Pair, cli: Cli) -> None:
    machine = pair.machine()
    cli("node", "inspect", machine.uuid)
    pair.until_booted(machine)
    cli("node", "abort", machine.uuid)
    node = cli.show("node", "show", machine.uuid)
    assert node["provision_state"] == "inspect failed"
    assert "aborted by request" in node["last_error"]

    def told() -> bool:
        record = pair.inspector.status(machine.uuid)
        return bool(record and record["error"] == "Canceled by operator")

    until(told, 15, "the inspector to be told")
    until(lambda: pair.show(machine)["power_state"] == OFF, 15, "power off")
    node = cli.show("node", "show", machine.uuid)
    assert "aborted by request" in node["last_error"]

    cli("node", "manage", machine.uuid, "--wait", "20")
    with booting(pair, machine):
        cli("node", "inspect", machine.uuid, "--wait", "60")
    pair.ends_well(machine, seconds=1)


def test_what_a_ramdisk_reported_is_saved_to_a_file(
    pair: Pair, cli: Cli, tmp_path: Path
) -> None:
    machine = pair.machine()
    refused = cli.run("node", "inventory", "save", machine.uuid)
    assert refused.code != 0
    with booting(pair, machine):
        cli("node", "inspect", machine.uuid, "--wait", "60")
    file = tmp_path / "inventory.json"
    cli("node", "inventory", "save", machine.uuid, "--file", str(file))
    saved = json.loads(file.read_text())
    assert saved["inventory"] == machine.report()["inventory"]
    assert saved == json.loads(cli("node", "inventory", "save", machine.uuid))


def test_both_names_of_the_interface_are_taken(pair: Pair, cli: Cli) -> None:
    machine = pair.machine()
    cli("node", "set", machine.uuid, "--inspect-interface", "inspector")
    with booting(pair, machine):
        cli("node", "inspect", machine.uuid, "--wait", "60")
    node = cli.show("node", "show", machine.uuid)
    assert node["inspect_interface"] == "inspector"
    (row,) = [
        row
        for row in cli.rows("node", "validate", machine.uuid)
        if row["interface"] == "inspect"
    ]
    assert row["result"] is True


# -- openstacksdk -----------------------------------------------------------


def test_the_sdk_waits_for_an_inspection(pair: Pair, baremetal: Any) -> None:
    machine = pair.machine()
    with booting(pair, machine):
        node = baremetal.set_node_provision_state(
            machine.uuid, "inspect", wait=True, timeout=60
        )
    assert node.provision_state == "manageable"
    found = baremetal.get_node(machine.uuid).properties
    expected = machine.hardware.expected_properties
    assert {key: found[key] for key in expected} == expected
    inventory = baremetal.get_node_inventory(machine.uuid)
    assert inventory["inventory"] == machine.report()["inventory"]
    assert "cpus" in inventory["plugin_data"]


def test_the_sdk_waits_for_several_nodes(pair: Pair, baremetal: Any) -> None:
    machines = pair.machines(3)
    for machine in machines:
        baremetal.set_node_provision_state(machine.uuid, "inspect")
    with booting(pair, *machines):
        nodes = baremetal.wait_for_nodes_provision_state(
            [machine.uuid for machine in machines], "manageable", timeout=60
        )
    assert {node.provision_state for node in nodes} == {"manageable"}


def test_the_sdk_raises_the_reason_of_a_failure(
    pair: Pair, baremetal: Any
) -> None:
    machine = pair.machine()
    pair.patch(machine, "/driver_info", {})
    with pytest.raises(
        exceptions.ResourceFailure, match="No lookup attributes were found"
    ):
        baremetal.set_node_provision_state(
            machine.uuid, "inspect", wait=True, timeout=60
        )


def test_the_sdk_aborts_an_inspection(pair: Pair, baremetal: Any) -> None:
    machine = pair.machine()
    baremetal.set_node_provision_state(machine.uuid, "inspect")
    pair.until_booted(machine)
    baremetal.set_node_provision_state(machine.uuid, "abort")
    with pytest.raises(exceptions.ResourceFailure, match="aborted by request"):
        baremetal.wait_for_nodes_provision_state(
            [machine.uuid], "manageable", timeout=20
        )
