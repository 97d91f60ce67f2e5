# SPDX-License-Identifier: Apache-2.0
"""``openstack baremetal`` on nodes whose controllers are real ``ipmi_sim``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.ipmi import witness
from lab.ipmi.farm import Farm, SimulatedBmc
from tests.backend.running import RunningBackend, until
from tests.clients.conftest import Cli


@pytest.fixture(scope="module")
def bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBmc]:
    directory = tmp_path_factory.mktemp("farm")
    with Farm(directory, 1, is_on=lambda number: False) as farm:
        yield farm[0]


@pytest.fixture(scope="module")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        DEFAULT={"enabled_hardware_types": "ipmi"},
        conductor={"soft_power_off_timeout": "2"},
        ipmi={"command_retry_timeout": "2"},
    )
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def cli(backend: RunningBackend) -> Cli:
    return Cli(backend.url)


@pytest.fixture(scope="module")
def node(cli: Cli, bmc: SimulatedBmc) -> str:
    """A manageable node that the client enrolled."""
    enrol(cli, "server", bmc.driver_info)
    cli("node", "manage", "server", "--wait", "20")
    return "server"


def enrol(cli: Cli, name: str, driver_info: dict[str, object]) -> None:
    words = [f"{key}={value}" for key, value in driver_info.items()]
    options = [word for one in words for word in ("--driver-info", one)]
    cli("node", "create", "--driver", "ipmi", "--name", name, *options)


def wait_for_power(cli: Cli, node: str, wanted: str) -> None:
    """Until nothing is under way, and the state is this one."""
    fields = ("power_state", "target_power_state")

    def reached() -> bool:
        shown = cli.show("node", "show", node, "--fields", *fields)
        return list(shown.values()) == [wanted, None]

    until(reached, 20, f"{node} to be {wanted}")


def test_a_node_is_switched_on_and_off_by_commands(
    cli: Cli, node: str, bmc: SimulatedBmc
) -> None:
    cli("node", "power", "on", node)
    wait_for_power(cli, node, "power on")
    assert witness.is_on(bmc.target)

    cli("node", "power", "off", node)
    wait_for_power(cli, node, "power off")
    assert not witness.is_on(bmc.target)
    assert bmc.journal[-2:] == ["power 1", "power 0"]


def test_a_node_is_rebooted_by_off_and_on(
    cli: Cli, node: str, bmc: SimulatedBmc
) -> None:
    cli("node", "power", "on", node)
    wait_for_power(cli, node, "power on")
    before = len(bmc.journal)

    cli("node", "reboot", node)

    until(lambda: len(bmc.journal) == before + 2, 20, "the reboot")
    assert bmc.journal[before:] == ["power 0", "power 1"]
    wait_for_power(cli, node, "power on")


def test_a_system_is_asked_to_shut_down(
    cli: Cli, node: str, bmc: SimulatedBmc
) -> None:
    cli("node", "power", "on", node)
    wait_for_power(cli, node, "power on")

    cli("node", "power", "off", "--soft", "--power-timeout", "20", node)

    wait_for_power(cli, node, "power off")
    assert bmc.journal[-1].startswith("shutdown")


def test_a_shutdown_that_never_ends_is_said(
    cli: Cli, node: str, bmc: SimulatedBmc
) -> None:
    bmc.ignore_shutdown()
    cli("node", "power", "on", node)
    wait_for_power(cli, node, "power on")

    cli("node", "power", "off", "--soft", "--power-timeout", "1", node)

    def failed() -> bool:
        shown = cli.show("node", "show", node, "--fields", "last_error")
        return "did not report power off" in (shown["last_error"] or "")

    until(failed, 20, "the end of the shutdown")
    assert bmc.is_on
    bmc.ignore_shutdown(False)


def test_a_boot_device_is_set_and_shown(
    cli: Cli, node: str, bmc: SimulatedBmc
) -> None:
    cli("node", "boot", "device", "set", node, "pxe")
    shown = cli.show("node", "boot", "device", "show", node)
    assert shown == {"boot_device": "pxe", "persistent": False}
    assert bmc.journal[-1] == "boot pxe"

    cli("node", "boot", "device", "set", node, "disk", "--persistent")
    shown = cli.show("node", "boot", "device", "show", node)
    assert shown == {"boot_device": "disk", "persistent": True}
    said = cli.show("node", "boot", "device", "show", node, "--supported")
    devices = said["supported_boot_devices"].split(", ")
    assert {"pxe", "disk", "cdrom"} <= set(devices)


def test_a_console_is_enabled_and_disabled(cli: Cli, node: str) -> None:
    cli("node", "console", "enable", node)

    def enabled() -> bool:
        return bool(cli.show("node", "console", "show", node)["console_info"])

    until(enabled, 20, "the console")
    shown = cli.show("node", "console", "show", node)
    assert shown["console_enabled"] is True
    assert shown["console_info"]["type"] == "socat"
    assert shown["console_info"]["url"].startswith("tcp://127.0.0.1:")

    cli("node", "console", "disable", node)
    until(lambda: not enabled(), 20, "the console's end")


def test_commands_of_the_controller_are_called_by_name(
    cli: Cli, node: str
) -> None:
    methods = {
        row["name"] for row in cli.rows("node", "passthru", "list", node)
    }
    assert {"send_raw", "bmc_reset", "sel", "sensors"} <= methods
    said = cli(
        "node", "passthru", "call", node, "send_raw", "--arg",
        "raw_bytes=0x06 0x01",
    )  # fmt: skip
    assert "'data': '0x" in said


def test_a_wrong_field_is_named_by_validate_and_by_the_verb(
    cli: Cli, bmc: SimulatedBmc
) -> None:
    enrol(cli, "odd", {**bmc.driver_info, "ipmi_port": 70000})

    (power,) = [
        row
        for row in cli.rows("node", "validate", "odd")
        if row["interface"] == "power"
    ]
    refused = cli.run("node", "power", "on", "odd")

    assert power["result"] is False
    assert "ipmi_port: 70000" in power["reason"]
    assert refused.code != 0
    assert "ipmi_port: 70000" in refused.err


def test_a_node_without_an_answer_says_who_was_asked_for_how_long(
    cli: Cli, bmc: SimulatedBmc
) -> None:
    # Nobody listens at the first port.
    enrol(cli, "silent", {**bmc.driver_info, "ipmi_port": 1})

    ended = cli.run("node", "manage", "silent", "--wait", "20")

    assert "unexpected stable state enroll" in ended.err
    error = cli.show("node", "show", "silent")["last_error"]
    assert "127.0.0.1:1: Get Chassis Status failed after 2." in error
    assert bmc.password not in error
