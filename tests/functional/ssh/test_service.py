# SPDX-License-Identifier: Apache-2.0
"""Hardware type pxe_ssh, whole: over HTTP to a machine of a real libvirt.

And inspected by a real ironic-inspector; only what its ramdisk would report
is made up, since the machine has no room for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backend.running import RunningBackend, until
from tests.functional.inspection.service import Pair
from tests.functional.ssh.virtual_host import (
    STUBBORN,
    VNC_PASSWORD,
    VirtualHost,
    eventually,
)

ON, OFF = "power on", "power off"
SHUT_OFF, RUNNING = "shut off", "running"


@pytest.fixture(scope="module")
def pair(
    host: VirtualHost, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Our service and an inspector."""
    pair = Pair(
        tmp_path_factory.mktemp("pair"),
        options={
            "DEFAULT": {"enabled_hardware_types": "pxe_ssh,pxe_ipmitool"},
            "ssh": {
                "connect_timeout": "10",
                "key_directory": str(host.directory),
            },
            "conductor": {
                "power_state_change_timeout": "30",
                "sync_power_state_interval": "2",
                "force_power_state_during_sync": "false",
                "node_locked_retry_attempts": "20",
                "automated_clean": "false",
            },
        },
    )
    yield pair
    pair.close()


class Node:
    """A node that is a machine, in words of these tests."""

    def __init__(self, pair: Pair, **values: Any) -> None:
        self.backend = pair.backend
        made = self.backend.node(driver="pxe_ssh", **values)
        self.uuid = str(made["uuid"])
        self.path = f"/v1/nodes/{self.uuid}"

    def ask(self, verb: str, rest: str, body: Any = None) -> Any:
        return self.backend.http(verb, f"{self.path}/{rest}", body)

    def show(self) -> Any:
        return self.backend.http("GET", self.path).json

    def provision(self, verb: str, state: str) -> None:
        reply = self.ask("PUT", "states/provision", {"target": verb})
        assert reply.status == 202, reply.data
        self.backend.state(self.uuid, state)

    def power(self, target: str, **more: Any) -> Any:
        """Switch, and wait for the end."""
        body = {"target": target, **more}
        reply = self.ask("PUT", "states/power", body)
        assert reply.status == 202, reply.data
        until(
            lambda: self.show()["target_power_state"] is None,
            60,
            f"{target} of {self.uuid}",
        )
        return self.show()

    def add(self, path: str, value: Any) -> None:
        patch = [{"op": "add", "path": path, "value": value}]
        reply = self.backend.http("PATCH", self.path, patch)
        assert reply.status == 200, reply.data


@pytest.fixture
def machine(host: VirtualHost) -> Iterator[str]:
    """The uuid of ``one``, which heeds the power button."""
    uuid = host.define("one")
    yield uuid
    host.remove(uuid)


@pytest.fixture
def node(host: VirtualHost, pair: Pair, machine: str) -> Iterator[Node]:
    """A manageable node that is ``one``."""
    info = host.driver_info("one", ssh_host_key=host.host_key)
    node = Node(pair, driver_info=info)
    node.provision("manage", "manageable")
    yield node
    assert pair.backend.http("DELETE", node.path).status == 204


def test_a_host_is_trusted_when_a_person_says_so(host, pair, machine):
    node = Node(pair, driver_info=host.driver_info("one"))
    reply = node.ask("PUT", "states/provision", {"target": "manage"})
    assert reply.status == 202
    until(lambda: node.show()["last_error"], 30, "an error")
    error = node.show()["last_error"]
    assert node.show()["provision_state"] == "enroll"
    assert "nobody gave the host's key; it shows ssh-ed25519 SHA256:" in error
    node.add("/driver_info/ssh_host_key", host.host_key)
    node.provision("manage", "manageable")
    assert node.show()["power_state"] == OFF
    assert pair.backend.http("DELETE", node.path).status == 204


def test_data_that_will_not_do_are_refused_with_the_field(pair, host):
    info = host.driver_info("one", ssh_virt_type="vbox")
    node = Node(pair, driver_info=info)
    reply = node.ask("PUT", "states/provision", {"target": "manage"})
    assert reply.status == 400
    assert reply.fault.endswith(
        "driver_info ssh_virt_type: 'vbox' is not offered; choose one of: "
        "virsh."
    )
    checked = node.ask("GET", "validate").json
    assert not checked["power"]["result"]
    assert checked["boot"]["result"]
    assert pair.backend.http("DELETE", node.path).status == 204


def test_secrets_are_masked_and_the_rest_is_shown(node, host):
    shown = node.show()["driver_info"]
    assert shown["ssh_key_contents"] == "******"
    assert shown["ssh_host_key"] == host.host_key
    node.add("/driver_info/ssh_password", "very secret")
    assert node.show()["driver_info"]["ssh_password"] == "******"


def test_a_machine_is_switched(node, host, machine):
    assert node.power(ON)["power_state"] == ON
    assert host.state(machine) == RUNNING
    assert eventually(lambda: host.boots(machine) == 1)
    node.power("rebooting")
    assert eventually(lambda: host.boots(machine) == 1)
    shown = node.power("soft power off", timeout=30)
    assert (shown["power_state"], shown["last_error"]) == (OFF, None)
    assert host.state(machine) == SHUT_OFF


def test_a_system_that_does_not_shut_down_is_told_of(pair, host):
    uuid = host.define("stubborn", STUBBORN)
    info = host.driver_info("stubborn", ssh_host_key=host.host_key)
    node = Node(pair, driver_info=info)
    node.provision("manage", "manageable")
    node.power(ON)
    shown = node.power("soft power off", timeout=2)
    assert "did not shut down" in shown["last_error"]
    assert shown["power_state"] == ON
    assert pair.backend.http("DELETE", node.path).status == 204
    host.remove(uuid)


def test_a_change_behind_our_back_is_seen(node, host, machine):
    host.virsh("start", machine)
    until(lambda: node.show()["power_state"] == ON, 60, "the change")


def test_boot_devices_are_set_and_shown(node, host, machine):
    path = "management/boot_device"
    supported = node.ask("GET", f"{path}/supported").json
    assert supported["supported_boot_devices"] == ["pxe", "disk", "cdrom"]
    once = {"boot_device": "pxe", "persistent": False}
    assert node.ask("PUT", path, once).status == 204
    assert node.ask("GET", path).json == once
    node.power(ON)
    assert "<boot dev='network'/>" in host.xml(machine)
    always = {"boot_device": "disk", "persistent": True}
    assert node.ask("GET", path).json == always
    node.power(OFF)
    always = {"boot_device": "cdrom", "persistent": True}
    assert node.ask("PUT", path, always).status == 204
    assert node.ask("GET", path).json == always


def test_an_interrupt_is_sent(node):
    node.power(ON)
    assert node.ask("PUT", "management/inject_nmi", {}).status == 204


def test_an_instance_comes_and_goes(node, host, machine):
    node.provision("provide", "available")
    node.provision("active", "active")
    assert host.state(machine) == RUNNING
    node.provision("deleted", "available")
    assert host.state(machine) == SHUT_OFF
    node.provision("manage", "manageable")


def test_a_machine_is_inspected_from_within(pair, host, machine):
    info = host.driver_info("one", ssh_host_key=host.host_key)
    one = pair.machine(
        driver="pxe_ssh", inspect_interface=None, driver_info=info
    )
    assert pair.show(one)["inspect_interface"] == "discoverd"
    pair.begun(one)
    # It boots the ramdisk: the network comes first, for this boot only.
    until(lambda: host.state(machine) == RUNNING, 60, "the machine to be on")
    assert re.findall("<boot dev='(.*)'/>", host.xml(machine)) == [
        "network",
        "hd",
    ]
    until(
        lambda: "network" not in host.xml(machine, "--inactive"),
        30,
        "the order to be put back",
    )
    pair.report(one)
    pair.ends_well(one, 60)
    until(lambda: host.state(machine) == SHUT_OFF, 30, "the machine to be off")
    path = f"/v1/nodes/{one.uuid}"
    until(
        lambda: pair.backend.http("DELETE", path).status in (204, 404),
        30,
        "the node to be removed",
    )


def test_no_secret_is_in_the_log(pair, host):
    log = pair.log()
    lines = host.key.read_text().splitlines()[1:-1]
    assert lines
    assert not any(line in log for line in lines)
    assert VNC_PASSWORD not in log
    assert "very secret" not in log


def test_without_the_library_the_service_does_not_start(tmp_path: Path):
    (tmp_path / "paramiko.py").write_text("raise ImportError('not there')\n")
    with pytest.raises(RuntimeError) as caught:
        RunningBackend(
            tmp_path,
            environment={"PYTHONPATH": str(tmp_path)},
            DEFAULT={"enabled_hardware_types": "pxe_ssh"},
        )
    said = str(caught.value)
    assert "run pip install nova-ironic-partition[ssh]" in said
    assert "Traceback" not in said
