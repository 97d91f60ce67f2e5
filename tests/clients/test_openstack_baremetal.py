# SPDX-License-Identifier: Apache-2.0
"""The commands ``openstack baremetal ...``, as a person calls them."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.backend.running import until

VIF = "22222222-2222-4222-8222-222222222222"


def wait_for_power(backend, node, wanted):
    def reached():
        shown = backend.http("GET", f"/v1/nodes/{node}").json
        return shown["power_state"] == wanted and shown["reservation"] is None

    until(reached, 20, wanted)


def test_a_node_lives_by_commands_alone(cli, backend):
    name = f"cli-{uuid.uuid4()}"
    node = cli.show(
        "node", "create", "--driver", "fake-hardware", "--name", name,
        "--resource-class", "rc1", "--conductor-group", "g1",
        "--property", "cpus=4",
    )  # fmt: skip
    ident = node["uuid"]
    assert node["provision_state"] == "enroll"
    assert node["properties"] == {"cpus": 4}

    cli("node", "manage", ident, "--wait", "30")
    cli("node", "provide", ident, "--wait", "30")
    assert cli.show("node", "show", name)["provision_state"] == "available"

    cli("node", "power", "on", ident)
    wait_for_power(backend, ident, "power on")
    cli("node", "power", "off", ident, "--soft", "--power-timeout", "30")
    wait_for_power(backend, ident, "power off")
    cli("node", "reboot", ident)
    wait_for_power(backend, ident, "power on")

    drive = '{"meta_data": {"a": "b"}}'
    cli("node", "deploy", ident, "--config-drive", drive, "--wait", "30")
    assert cli.show("node", "show", ident)["provision_state"] == "active"
    cli("node", "rebuild", ident, "--wait", "30")
    cli("node", "rescue", ident, "--rescue-password", "pw", "--wait", "30")
    assert cli.show("node", "show", ident)["provision_state"] == "rescue"
    cli("node", "unrescue", ident, "--wait", "30")
    cli("node", "undeploy", ident, "--wait", "30")
    assert cli.show("node", "show", ident)["provision_state"] == "available"

    cli("node", "delete", ident)
    gone = cli.run("node", "show", ident)
    assert gone.code != 0
    assert f"Node {ident} could not be found" in gone.err


def test_a_node_is_cleaned_and_serviced_step_by_step(cli, backend):
    ident = cli.show("node", "create", "--driver", "fake-hardware")["uuid"]
    cli("node", "manage", ident, "--wait", "30")
    reset = '{"interface": "bios", "step": "factory_reset"}'
    hold = '{"interface": "power", "step": "hold"}'
    cli("node", "clean", ident, "--clean-steps", f"[{reset}, {hold}]")
    backend.state(ident, "clean hold")
    assert cli.show("node", "show", ident)["clean_step"]["step"] == "hold"
    cli("node", "unhold", ident)
    backend.state(ident, "manageable")

    cli("node", "adopt", ident, "--wait", "30")
    cli("node", "service", ident, "--service-steps", f"[{reset}]",
        "--wait", "30")  # fmt: skip
    cli("node", "service", ident, "--service-steps", f"[{hold}]")
    backend.state(ident, "service hold")
    cli("node", "abort", ident)
    backend.state(ident, "service failed")
    shown = cli.show("node", "show", ident)
    assert "was aborted by request at step hold" in shown["last_error"]
    refused = cli.run(
        "node", "service", ident, "--service-steps",
        '[{"interface": "bios", "step": "apply_configuration"}]',
    )  # fmt: skip
    assert refused.code != 0
    assert '"settings" is required' in refused.err
    cli("node", "abort", ident)
    backend.state(ident, "active")


def test_a_list_takes_filters_and_fields(cli, backend):
    name = f"cli-{uuid.uuid4()}"
    node = backend.node(
        name=name, conductor_group="g2", resource_class="rc2", owner=name
    )
    rows = cli.rows(
        "node", "list", "--conductor-group", "g2", "--provision-state",
        "enroll", "--no-maintenance", "--sort", "name:asc", "--limit", "10",
        "--resource-class", "rc2", "--unassociated", "--owner", name,
        "--fields", "uuid", "name", "properties",
    )  # fmt: skip
    assert rows == [{"uuid": node["uuid"], "name": name, "properties": {}}]
    assert name in [row["name"] for row in cli.rows("node", "list")]
    assert name in [row["name"] for row in cli.rows("node", "list", "--long")]
    shown = cli.show("node", "show", name, "--fields", "uuid", "name")
    assert shown == {"uuid": node["uuid"], "name": name}


def test_fields_are_set_and_unset(cli, backend):
    node = backend.node()["uuid"]
    cli(
        "node", "set", node, "--extra", "a=b", "--property", "memory_mb=4",
        "--owner", "me", "--description", "d", "--driver-info", "x=y",
    )  # fmt: skip
    shown = cli.show("node", "show", node)
    assert shown["extra"] == {"a": "b"}
    assert shown["properties"] == {"memory_mb": 4}
    assert shown["driver_info"] == {"x": "y"}
    assert (shown["owner"], shown["description"]) == ("me", "d")
    cli("node", "unset", node, "--extra", "a", "--owner")
    shown = cli.show("node", "show", node)
    assert (shown["extra"], shown["owner"]) == ({}, None)
    reset = ("--driver", "fake-hardware", "--reset-interfaces")
    cli("node", "set", node, *reset)
    cli("node", "set", node, "--target-raid-config", "{}")
    instance = str(uuid.uuid4())
    cli("node", "set", node, "--instance-uuid", instance)
    shown = cli.show("node", "show", instance, "--instance")
    assert shown["uuid"] == node
    cli("node", "unset", node, "--instance-uuid")


def test_maintenance_is_set_and_unset(cli, backend):
    node = backend.node()["uuid"]
    cli("node", "maintenance", "set", node, "--reason", "because")
    shown = cli.show("node", "show", node)
    assert shown["maintenance"] is True
    assert shown["maintenance_reason"] == "because"
    cli("node", "maintenance", "unset", node)
    assert cli.show("node", "show", node)["maintenance"] is False


def test_vifs_traits_and_interfaces_are_managed(cli, backend):
    node = backend.node()["uuid"]
    cli("node", "vif", "attach", node, VIF)
    assert cli.rows("node", "vif", "list", node) == [{"id": VIF}]
    cli("node", "vif", "detach", node, VIF)
    assert cli.rows("node", "vif", "list", node) == []

    validated = cli.rows("node", "validate", node)
    results = {row["interface"]: row["result"] for row in validated}
    assert results["power"] is True

    cli("node", "trait", "add", node, "CUSTOM_A", "CUSTOM_B")
    cli("node", "trait", "remove", node, "CUSTOM_A")
    (row,) = cli.rows("node", "trait", "list", node)
    assert list(row.values()) == ["CUSTOM_B"]
    cli("node", "trait", "remove", node, "--all")
    assert cli.rows("node", "trait", "list", node) == []


def test_console_and_boot_are_switched(cli, backend):
    node = backend.available_node()["uuid"]
    cli("node", "console", "enable", node)
    assert cli.show("node", "console", "show", node)["console_enabled"] is True
    cli("node", "console", "disable", node)
    shown = cli.show("node", "console", "show", node)
    assert shown["console_enabled"] is False

    cli("node", "boot", "device", "set", node, "disk", "--persistent")
    assert cli.show("node", "boot", "device", "show", node) == {
        "boot_device": "disk",
        "persistent": True,
    }
    supported = cli("node", "boot", "device", "show", node, "--supported")
    assert "pxe" in supported
    cli("node", "boot", "mode", "set", node, "uefi")
    cli("node", "secure", "boot", "on", node)
    refused = cli.run("node", "inject", "nmi", node)
    assert "does not support inject_nmi" in refused.err


def test_details_of_a_node_are_listed(cli, backend):
    node = backend.node()["uuid"]
    assert cli.rows("node", "history", "list", node)
    assert cli.rows("node", "bios", "setting", "list", node) == []
    assert cli.rows("node", "firmware", "list", node) == []
    assert cli.rows("node", "children", "list", node) == []
    assert cli.run("node", "passthru", "list", node).code == 0
    assert (
        "could not be found" in cli.run("node", "inventory", "save", node).err
    )


def test_ports_and_port_groups_are_managed(cli, backend):
    node = backend.node()["uuid"]
    digits = uuid.uuid4().hex
    mac = f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:6]}"
    port = cli.show("port", "create", mac, "--node", node)
    assert (port["address"], port["node_uuid"]) == (mac, node)
    (row,) = cli.rows("port", "list", "--node", node)
    assert row["uuid"] == port["uuid"]
    (row,) = cli.rows("port", "list", "--address", mac)
    assert row["address"] == mac
    cli("port", "set", port["uuid"], "--extra", "a=b")
    assert cli.show("port", "show", port["uuid"])["extra"] == {"a": "b"}
    cli("port", "delete", port["uuid"])
    assert cli.rows("port", "list", "--node", node) == []

    group = cli.show("port", "group", "create", "--node", node)
    (row,) = cli.rows("port", "group", "list", "--node", node)
    assert row["uuid"] == group["uuid"]


def test_volumes_and_chassis_are_managed(cli, backend):
    node = backend.node()["uuid"]
    connector = cli.show(
        "volume", "connector", "create", "--node", node, "--type", "iqn",
        "--connector-id", str(uuid.uuid4()),
    )  # fmt: skip
    (row,) = cli.rows("volume", "connector", "list", "--node", node)
    assert row["uuid"] == connector["uuid"]
    assert cli.rows("volume", "target", "list", "--node", node) == []

    chassis = cli.show("chassis", "create", "--description", "x")
    uuids = [row["uuid"] for row in cli.rows("chassis", "list")]
    assert chassis["uuid"] in uuids
    cli("chassis", "delete", chassis["uuid"])


def test_the_service_is_looked_at(cli, backend):
    (driver,) = cli.show("driver", "list")
    assert list(driver.values()) == ["fake-hardware", "one"]
    shown = cli.show("driver", "show", "fake-hardware")
    assert shown["name"] == "fake-hardware"
    assert cli.rows("driver", "property", "list", "fake-hardware")
    (conductor,) = cli.rows("conductor", "list")
    assert (conductor["hostname"], conductor["alive"]) == ("one", True)
    shown = cli.show("conductor", "show", "one")
    assert "fake-hardware" in shown["drivers"]
    assert isinstance(cli.rows("shard", "list"), list)


def test_a_refused_command_says_why(cli, backend):
    node = backend.node()["uuid"]
    refused = cli.run("node", "deploy", node)
    assert refused.code != 0
    assert '"active"' in refused.err
    assert '"enroll"' in refused.err
    assert "nonsense" in cli.run("node", "create", "--driver", "nonsense").err
    refused = cli.run("node", "list", "--provision-state", "nonsense")
    assert "provision_state" in refused.err


def test_the_installed_command_needs_two_variables_only(backend):
    node = backend.node()["uuid"]
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("OS_")
    } | {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": backend.url}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("openstack")),
            *("baremetal", "node", "list", "-f", "value", "-c", "UUID"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert node in done.stdout
