# SPDX-License-Identifier: Apache-2.0
"""Hardware type ipmi, whole: over HTTP to controllers, and ipmitool agrees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab.ipmi import sim_files, witness
from lab.ipmi.farm import Farm
from lab.ipmi.scripted import ScriptedBmc
from tests.backend.running import RunningBackend, free_port, until

ON, OFF = "power on", "power off"
TOOL = {
    "power_interface": "ipmitool",
    "management_interface": "ipmitool",
    "vendor_interface": "ipmitool",
}


@pytest.fixture(scope="module")
def bmcs(tmp_path_factory) -> Iterator[Farm]:
    """Two of ipmi_sim: one for each kind of interfaces."""
    with Farm(tmp_path_factory.mktemp("farm"), 2, own_process=True) as farm:
        yield farm


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[ScriptedBmc]:
    """A controller with boot flags and interrupts."""
    with ScriptedBmc(tmp_path_factory.mktemp("scripted")) as bmc:
        yield bmc


@pytest.fixture(scope="module")
def backend(tmp_path_factory) -> Iterator[RunningBackend]:
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        DEFAULT={"enabled_hardware_types": "ipmi"},
        ipmi={
            "command_retry_timeout": "2",
            "cipher_suite_versions": "3",
            "bmc_reset_pause": "0.1",
        },
        conductor={
            "power_state_change_timeout": "5",
            "soft_power_off_timeout": "2",
            "sync_power_state_interval": "0",
            "node_locked_retry_attempts": "20",
            "node_locked_retry_interval": "1",
        },
    )
    yield running
    running.stop()


class Node:
    """A managed node, in words of these tests."""

    def __init__(self, backend: RunningBackend, info: Any, **values: Any):
        self.backend = backend
        made = backend.node(driver="ipmi", driver_info=dict(info), **values)
        self.uuid = str(made["uuid"])
        self.path = f"/v1/nodes/{self.uuid}"

    def ask(self, verb: str, rest: str, body: Any = None) -> Any:
        return self.backend.http(verb, f"{self.path}/{rest}", body)

    def show(self) -> Any:
        return self.backend.http("GET", self.path).json

    def manage(self) -> Node:
        self.ask("PUT", "states/provision", {"target": "manage"})
        self.backend.state(self.uuid, "manageable")
        return self

    def idle(self) -> Any:
        def rests() -> bool:
            seen = self.show()
            return (seen["target_power_state"], seen["reservation"]) == (
                None,
                None,
            )

        until(rests, 20, "the node to be at rest")
        return self.show()

    def switch(self, target: str) -> Any:
        reply = self.ask("PUT", "states/power", {"target": target})
        assert reply.status == 202, reply.data
        return self.idle()

    def call(self, verb: str, method: str, **arguments: Any) -> Any:
        body = arguments if verb != "GET" else None
        return self.ask(verb, f"vendor_passthru?method={method}", body)


@pytest.fixture(scope="module", params=["ipmi", "ipmitool"])
def pair(request, backend, bmcs) -> Any:
    """A node and its controller, with either kind of interfaces."""
    tool = request.param == "ipmitool"
    bmc = bmcs[int(tool)]
    node = Node(backend, bmc.driver_info, **(TOOL if tool else {}))
    return node.manage(), bmc


def test_a_node_does_what_it_is_told_and_ipmitool_agrees(pair):
    node, bmc = pair
    for target, state in (
        (ON, ON),
        ("rebooting", ON),
        ("soft power off", OFF),
        ("soft rebooting", ON),
        (OFF, OFF),
    ):
        seen = node.switch(target)
        assert (seen["power_state"], seen["last_error"]) == (state, None)
        assert bmc.is_on is (state == ON)
        assert witness.is_on(bmc.target) is (state == ON)


def test_a_shutdown_that_never_ends_is_an_error_that_says_so(pair):
    node, bmc = pair
    node.switch(ON)
    bmc.ignore_shutdown()
    try:
        seen = node.switch("soft power off")
    finally:
        bmc.ignore_shutdown(False)
    assert "the operating system did not shut down" in seen["last_error"]
    assert f"{bmc.address}:{bmc.port}" in seen["last_error"]
    assert seen["power_state"] == ON


def test_the_boot_device_reaches_the_controller(pair):
    node, bmc = pair
    reply = node.ask("GET", "management/boot_device/supported")
    assert "pxe" in reply.json["supported_boot_devices"]
    wanted = {"boot_device": "pxe", "persistent": True}
    reply = node.ask("PUT", "management/boot_device", wanted)
    assert reply.status == 204, reply.data
    assert bmc.journal[-1] == "boot pxe"
    # ipmi_sim takes it and tells nothing of it.
    assert node.ask("GET", "management/boot_device").json == wanted
    reply = node.ask("PUT", "management/boot_device", {"boot_device": "tape"})
    assert reply.status == 400


def test_the_lamp_is_switched_by_its_url(pair):
    node, bmc = pair
    url = "management/indicators/system/led"
    assert node.ask("PUT", url, {"state": "ON"}).status == 204
    assert any(one.startswith("identify") for one in bmc.journal)
    assert node.ask("GET", url).json["state"] in ("ON", "UNKNOWN")
    assert node.ask("PUT", url, {"state": "GREEN"}).status == 400
    assert node.ask("GET", "management/indicators/nic").status == 404


def test_raw_bytes_are_sent_and_answered(pair):
    node, bmc = pair
    reply = node.call("POST", "send_raw", raw_bytes="0x06 0x01")
    assert reply.status == 200
    told = witness.ipmitool(bmc.target, "raw", "0x06", "0x01").split()
    assert reply.json["data"].split() == [f"0x{one}" for one in told]
    assert node.call("POST", "send_raw", raw_bytes="6").status == 400
    assert node.call("GET", "send_raw").status == 400
    refused = node.call("POST", "send_raw", raw_bytes="0x06 0x99")
    assert refused.status == 500
    assert "0xc1" in refused.fault


def test_the_event_log_is_read_as_ipmitool_reads_it_and_cleared(pair):
    node, bmc = pair
    # Add SEL Entry (31.6): a temperature that went too high.
    event = "0 0 2 0 0 0 0 0x20 0 4 1 0x30 1 0x59 0x5a 0x55"
    reply = node.call("POST", "send_raw", raw_bytes=f"0x0a 0x44 {event}")
    assert reply.status == 200, reply.data
    [found] = node.call("GET", "sel").json["events"]
    told = witness.ipmitool(bmc.target, "sel", "list")
    assert found["type"] == "Temperature"
    assert "Temperature #0x30" in told
    assert "Upper Critical going high" in told
    assert found["severity"] == "critical"
    assert node.call("POST", "clear_sel").status == 202
    assert node.idle()["last_error"] is None
    assert node.call("GET", "sel").json == {"events": []}
    # Its words "SEL has no entries" go elsewhere.
    assert witness.ipmitool(bmc.target, "sel", "list") == ""


def test_methods_are_listed(pair):
    node, _ = pair
    found = node.ask("GET", "vendor_passthru/methods").json
    assert found["send_raw"]["http_methods"] == ["POST"]
    assert found["bmc_reset"]["async"]


def test_a_wrong_password_is_told_and_the_right_one_works_again(pair):
    node, bmc = pair
    change = {"op": "replace", "path": "/driver_info/ipmi_password"}
    http = node.backend.http
    http("PATCH", node.path, [change | {"value": "hunter-2"}])
    seen = node.switch(OFF)
    assert "Failed to change power state" in seen["last_error"]
    assert "password" in seen["last_error"]
    assert "hunter-2" not in seen["last_error"]
    http("PATCH", node.path, [change | {"value": bmc.password}])
    assert node.switch(OFF)["last_error"] is None


@pytest.mark.parametrize("kind", ["ipmi", "ipmitool"])
def test_flags_interrupts_and_restarts_of_a_whole_controller(
    backend, whole, kind
):
    chosen = TOOL if kind == "ipmitool" else {}
    node = Node(backend, whole.driver_info, **chosen).manage()
    for device, persistent, mode, flags in (
        ("pxe", False, "bios", "80 04"),
        ("disk", True, "uefi", "e0 08"),
    ):
        node.ask("PUT", "states/boot_mode", {"target": mode})
        body = {"boot_device": device, "persistent": persistent}
        reply = node.ask("PUT", "management/boot_device", body)
        assert reply.status == 204, reply.data
        assert whole.boot_flags[:2].hex(" ") == flags
        assert node.ask("GET", "management/boot_device").json == body
        told = witness.ipmitool(
            whole.target, "chassis", "bootparam", "get", "5"
        )
        assert ("EFI" in told) is (mode == "uefi")
        assert ("all future boots" in told) is persistent
    before = whole.count("00.02 04")
    assert node.ask("PUT", "management/inject_nmi", {}).status == 204
    assert whole.count("00.02 04") == before + 1
    assert node.call("POST", "bmc_reset").status == 202
    assert node.idle()["last_error"] is None
    assert whole.count("06.03") >= 1
    backend.http("DELETE", node.path)


def test_an_instance_boots_from_the_disk(backend, whole):
    node = Node(
        backend,
        whole.driver_info,
        instance_info={"image_source": "http://127.0.0.1/image"},
    ).manage()
    for verb, state in (
        ("provide", "available"),
        ("active", "active"),
        ("deleted", "available"),
    ):
        reply = node.ask("PUT", "states/provision", {"target": verb})
        assert reply.status == 202, reply.data
        backend.state(node.uuid, state)
        node.idle()
        assert whole.is_on is (state == "active")
    assert whole.boot_flags[1] == 0x08
    backend.http("DELETE", node.path)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"ipmi_address": ""}, "ipmi_address"),
    ({"ipmi_port": 70000}, "ipmi_port"),
    ({"ipmi_password_file": "nowhere"}, "ipmi_password_file"),
    ({"ipmi_cipher_suite": 99}, "ipmi_cipher_suite"),
    ({"ipmi_priv_level": "root"}, "ipmi_priv_level"),
    ({"ipmi_bridging": "single"}, "ipmi_target_channel"),
    ({"ipmi_target_address": "0x82"}, "ipmi_target_address"),
    ({"ipmi_protocol_version": "1.5"}, "ipmi_protocol_version"),
    ({"ipmi_username": "x" * 17}, "ipmi_username"),
]


@pytest.mark.parametrize(("fields", "name"), BAD)
def test_bad_data_are_told_by_validate_and_by_each_verb(backend, fields, name):
    info = {"ipmi_address": "127.0.0.1", **fields}
    node = Node(backend, info)
    shown = node.ask("GET", "validate").json
    for kind in ("power", "management", "vendor"):
        assert shown[kind]["result"] is False
        assert name in shown[kind]["reason"]
    for rest, body in (
        ("states/power", {"target": ON}),
        ("states/provision", {"target": "manage"}),
        ("vendor_passthru?method=send_raw", {"raw_bytes": "6 1"}),
        ("management/boot_device", {"boot_device": "pxe"}),
        ("management/inject_nmi", {}),
    ):
        verb = "POST" if "vendor" in rest else "PUT"
        reply = node.ask(verb, rest, body)
        assert reply.status == 400, (rest, reply.data)
        assert name in reply.fault
    seen = node.show()
    assert (seen["provision_state"], seen["last_error"]) == ("enroll", None)
    backend.http("DELETE", node.path)


@pytest.mark.parametrize("kind", ["ipmi", "ipmitool"])
def test_a_node_whose_controller_is_silent_stays_enrolled_and_says_why(
    backend, kind
):
    port = free_port()
    info = {"ipmi_address": "127.0.0.1", "ipmi_port": port}
    node = Node(backend, info, **(TOOL if kind == "ipmitool" else {}))
    reply = node.ask("PUT", "states/provision", {"target": "manage"})
    assert reply.status == 202
    until(lambda: node.show()["last_error"] is not None, 15, "the failure")
    seen = node.show()
    assert seen["provision_state"] == "enroll"
    assert re.search(
        rf"Failed to manage: 127\.0\.0\.1:{port}: Get Chassis Status failed "
        r"after \d+\.\d s: .+",
        seen["last_error"],
    ), seen["last_error"]
    backend.http("DELETE", node.path)


def test_no_secret_of_a_node_is_shown(backend):
    key = "ab" * 20
    info = {
        "ipmi_address": "127.0.0.1",
        "ipmi_password": "hunter-2",
        "ipmi_hex_kg_key": key,
    }
    node = Node(backend, info)
    shown = backend.http("GET", node.path).data.decode()
    assert "hunter-2" not in shown
    assert key not in shown
    backend.http("DELETE", node.path)


# A temperature and a fan, as ipmi_sim's emulator takes them: a record of type
# 1 (IPMI 2.0, table 43-1) and the sensor's present value.
SENSORS = """
main_sdr_add 0x20 {temperature}
sensor_add 0x20 0 0x30 1 1
sensor_set_value 0x20 0 0x30 0x2a 0
main_sdr_add 0x20 {fan}
sensor_add 0x20 0 0x31 4 1
sensor_set_value 0x20 0 0x31 0x64 0
mc_enable 0x20
"""


def record(name: str, number: int, kind: int, unit: int) -> str:
    text = name.encode()
    body = bytes([0x20, 0, number, 3, 1, 0x7F, 0x68, kind, 1])
    body += bytes(6) + bytes([0, unit, 0, 0, 1]) + bytes(22)
    body += bytes([0xC0 | len(text)]) + text
    whole = bytes([1, 0, 0x51, 1, len(body)]) + body
    return " ".join(f"0x{one:02x}" for one in whole)


def test_sensors_are_read_as_ipmitool_reads_them(
    backend, tmp_path, monkeypatch
):
    made = sim_files.emulation

    def with_sensors(count: int) -> str:
        return made(count).replace(
            "mc_enable 0x20\n",
            SENSORS.format(
                temperature=record("CPU 1", 0x30, kind=1, unit=1),
                fan=record("Fan 1", 0x31, kind=4, unit=18),
            ),
        )

    monkeypatch.setattr(sim_files, "emulation", with_sensors)
    with Farm(tmp_path / "farm", 1, own_process=True) as farm:
        told = witness.ipmitool(farm[0].target, "sdr", "list")
        node = Node(backend, farm[0].driver_info)
        found = node.call("GET", "sensors").json["sensors"]
        backend.http("DELETE", node.path)
    assert re.search(r"CPU 1 +\| 42 degrees C +\| ok", told)
    assert re.search(r"Fan 1 +\| 100 RPM +\| ok", told)
    assert [
        (one["name"], one["value"], one["units"], one["health"])
        for one in found
    ] == [("Fan 1", 100.0, "RPM", "ok"), ("CPU 1", 42.0, "°C", "ok")]


@pytest.mark.parametrize("kind", ["ipmi", "ipmitool"])
def test_a_controller_behind_another_is_reached_over_its_bridge(
    backend, tmp_path, kind
):
    with Farm(tmp_path / "farm", 2) as farm:
        info = farm[0].driver_info | {
            "ipmi_bridging": "single",
            "ipmi_target_channel": 0,
            "ipmi_target_address": hex(sim_files.ADDRESSES[1]),
        }
        node = Node(backend, info, **(TOOL if kind == "ipmitool" else {}))
        assert node.manage().show()["power_state"] == OFF
        assert farm[0].is_on
        assert node.switch(ON)["last_error"] is None
        assert farm[1].is_on
        assert node.switch("rebooting")["last_error"] is None
        assert (farm[0].is_on, farm[1].is_on) == (True, True)
        assert node.switch(OFF)["last_error"] is None
        assert (farm[0].is_on, farm[1].is_on) == (True, False)
        backend.http("DELETE", node.path)


@pytest.mark.parametrize("kind", ["ipmi", "ipmitool"])
def test_a_controller_with_two_keys_wants_both(backend, whole, kind):
    key = "kg-of-twenty-bytes.."
    whole.script(key=key)
    info = whole.driver_info | {"ipmi_hex_kg_key": key.encode().hex()}
    try:
        node = Node(backend, info, **(TOOL if kind == "ipmitool" else {}))
        assert node.manage().switch(ON)["last_error"] is None
        assert whole.is_on
        node.switch(OFF)
        backend.http("DELETE", node.path)
    finally:
        whole.script(key="")


def test_ipmi_1_5_is_spoken_by_the_tool(backend, bmcs):
    info = bmcs[1].driver_info | {"ipmi_protocol_version": "1.5"}
    node = Node(backend, info, **TOOL).manage()
    assert node.switch(ON)["last_error"] is None
    assert bmcs[1].is_on
    node.switch(OFF)
    backend.http("DELETE", node.path)
