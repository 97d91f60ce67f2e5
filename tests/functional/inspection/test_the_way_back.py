# SPDX-License-Identifier: Apache-2.0
"""What a real ironic-inspector asks of our API, call by call.

Recorded from ironic-inspector 12.5.0 with openstacksdk 4: both version
headers on each call but the two of discovery, and the newest version that
both sides know. Here each call is made alone, so that the one that does not
fit is named; ``test_fifty_nodes`` is the same with the real service.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openstack
import pytest

from lab.faulty_proxy import FaultyProxy, Request
from tests.backend.running import NEWEST, Http, Reply, RunningBackend, until

#: In which ironic-inspector takes a node.
STATES = (
    "enroll",
    "manageable",
    "inspecting",
    "inspect wait",
    "inspect failed",
)
#: The same without those in which our own conductor has the node.
FREE = tuple(state for state in STATES if state != "inspecting")
# Version 1.37 is the SDK's own choice for traits.
TRAITS = "1.37"

#: How a fake node gets into a state and stays there.
_INSPECTS: dict[str, dict[str, Any]] = {
    "inspecting": {"fake_inspect_delay": 600},
    "inspect wait": {"fake_inspect_wait": "heartbeat"},
    "inspect failed": {"fake_inspect_fail": "by request"},
}


class Asked(Http):
    """Requests with the headers that ironic-inspector sends."""

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        version: str | None = NEWEST,
        raw: bytes | None = None,
        **headers: str,
    ) -> Reply:
        sent = {
            "Accept": "application/json",
            "User_Agent": "ironic-inspector keystoneauth1/5.18.1",
            "X_Auth_Token": "notused",
        }
        if version is not None:
            sent["OpenStack_API_Version"] = f"baremetal {version}"
        return super().__call__(
            method, path, body, version, raw, **sent | headers
        )


@pytest.fixture(scope="module")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(tmp_path_factory.mktemp("way-back"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def asked(backend: RunningBackend) -> Asked:
    return Asked(backend.port)


@dataclass(frozen=True)
class Subject:
    """A node that is inspected, and its port."""

    uuid: str
    name: str
    state: str
    port: str
    mac: str


def new_mac() -> str:
    digits = uuid.uuid4().hex
    return f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:6]}"


def enrolled(backend: RunningBackend, state: str) -> Subject:
    """A node that came to this state on the usual way."""
    name = f"node-{uuid.uuid4()}"
    node = backend.node(
        name=name,
        driver_info={"fake_power_delay": 0, **_INSPECTS.get(state, {})},
        properties={"capabilities": "boot_mode:uefi", "cpus": "2"},
    )["uuid"]
    verbs = [("manage", "manageable"), ("inspect", state)]
    if state == "manageable":
        verbs = verbs[:1]
    for verb, reached in verbs if state != "enroll" else []:
        path = f"/v1/nodes/{node}/states/provision"
        reply = backend.http("PUT", path, {"target": verb})
        assert reply.status == 202, reply.data
        backend.state(node, reached)
    mac = new_mac()
    reply = backend.http(
        "POST", "/v1/ports", {"node_uuid": node, "address": mac}
    )
    assert reply.status == 201, reply.data
    return Subject(node, name, state, reply.json["uuid"], mac)


@pytest.fixture(params=STATES)
def subject(request: pytest.FixtureRequest, backend) -> Subject:
    """A node in each of the states that ironic-inspector takes."""
    return enrolled(backend, request.param)


@pytest.fixture(params=FREE)
def free(request: pytest.FixtureRequest, backend) -> Subject:
    """The same, where an inspection may write."""
    return enrolled(backend, request.param)


def patch(*changes: tuple[str, str, Any]) -> list[dict[str, Any]]:
    return [
        {"op": op, "path": path, "value": value} for op, path, value in changes
    ]


def is_whole(node: dict[str, Any], subject: Subject) -> None:
    """All of a node that ironic-inspector works with from then on."""
    assert node["uuid"] == subject.uuid
    assert node["name"] == subject.name
    assert node["provision_state"] == subject.state
    assert isinstance(node["driver_info"], dict)
    assert isinstance(node["properties"], dict)


# -- once per process ---------------------------------------------------------


def test_discovery_at_the_root_tells_the_range_of_versions(asked, backend):
    reply = asked("GET", "/", version=None)
    assert reply.status == 200
    (version,) = reply.json["versions"]
    assert (version["id"], version["status"]) == ("v1", "CURRENT")
    assert (version["min_version"], version["version"]) == ("1.1", NEWEST)
    assert version["links"][0]["rel"] == "self"
    assert version["links"][0]["href"].startswith(f"{backend.url}/v1")


def test_discovery_at_v1_has_the_same_version_object(asked):
    reply = asked("GET", "/v1/", version=None)
    assert reply.status == 200
    assert reply.json["id"] == "v1"
    (version,) = asked("GET", "/", version=None).json["versions"]
    assert reply.json["version"] == version


def test_the_sdk_speaks_our_newest_version_of_nodes_and_ports(backend):
    seen: list[tuple[str, str]] = []
    proxy = FaultyProxy(backend.port)

    def note(request: Request) -> None:
        seen.append((request.method, request.path))

    proxy.fault = note
    try:
        baremetal = openstack.connect(
            load_envvars=False,
            load_yaml_config=False,
            auth_type="none",
            baremetal_endpoint_override=proxy.url,
        ).baremetal
        node = enrolled(backend, "manageable")
        found = baremetal.get_node(node.uuid)
        (port,) = baremetal.ports(node=node.uuid, details=True)
        made = baremetal.create_port(
            node_id=node.uuid, address=new_mac(), is_pxe_enabled=False
        )
        changed = baremetal.patch_node(
            found, patch(("add", "/properties/cpus", "4"))
        )
        baremetal.add_node_trait(node.uuid, "CUSTOM_SEEN")
        assert [one.microversion for one in (found, port, made, changed)] == (
            [NEWEST] * 4
        )
    finally:
        proxy.close()
    assert ("GET", "/v1/ports/detail") in seen
    assert ("PUT", f"/v1/nodes/{node.uuid}/traits/CUSTOM_SEEN") in seen


# -- reads, in each state -----------------------------------------------------


@pytest.mark.parametrize("ident", ["uuid", "name"])
def test_a_node_is_shown_whole(asked, subject, ident):
    reply = asked("GET", f"/v1/nodes/{getattr(subject, ident)}")
    assert reply.status == 200
    is_whole(reply.json, subject)


def test_power_is_validated(asked, subject):
    reply = asked("GET", f"/v1/nodes/{subject.uuid}/validate")
    assert reply.status == 200
    assert reply.json["power"]["result"] is True


def test_ports_of_a_node_are_shown_in_detail(asked, subject):
    reply = asked("GET", f"/v1/ports/detail?node={subject.uuid}")
    assert reply.status == 200
    (port,) = reply.json["ports"]
    assert port["uuid"] == subject.port
    assert (port["address"], port["node_uuid"]) == (subject.mac, subject.uuid)
    assert (port["pxe_enabled"], port["extra"]) == (True, {})


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/nodes/{0.name}?fields=uuid", {"uuid"}),
        (
            "/v1/nodes/{0.uuid}?fields=uuid,provision_state",
            {"uuid", "provision_state"},
        ),
    ],
    ids=["start by name", "permit_active_introspection"],
)
def test_a_node_is_shown_in_part(asked, subject, path, shown):
    reply = asked("GET", path.format(subject))
    assert reply.status == 200
    assert set(reply.json) == shown | {"links"}
    assert reply.json["uuid"] == subject.uuid


@pytest.mark.parametrize(
    ("path", "collection", "shown"),
    [
        ("/v1/nodes?fields=uuid", "nodes", {"uuid"}),
        ("/v1/nodes?fields=uuid,driver_info", "nodes",
         {"uuid", "driver_info"}),
        ("/v1/ports?address={0.mac}&fields=uuid,node_uuid", "ports",
         {"uuid", "node_uuid"}),
        ("/v1/ports?fields=address,extra", "ports", {"address", "extra"}),
    ],
    ids=["periodic clean-up", "look-up by BMC", "look-up by MAC",
         "dnsmasq filter"],
)  # fmt: skip
def test_a_list_has_what_belongs_to_the_node(
    asked, subject, path, collection, shown
):
    reply = asked("GET", path.format(subject))
    assert reply.status == 200
    rows = reply.json[collection]
    assert all(set(row) == shown | {"links"} for row in rows)
    mine = {subject.uuid, subject.mac}
    assert any(mine & {row.get(name) for name in shown - {"extra",
               "driver_info"}} for row in rows)  # fmt: skip


# -- writes -------------------------------------------------------------------


def test_the_boot_device_is_set_for_one_boot(asked, free):
    path = f"/v1/nodes/{free.uuid}/management/boot_device"
    body = {"boot_device": "pxe", "persistent": False}
    assert asked("PUT", path, body).status == 204
    shown = asked("GET", path).json
    assert shown == {"boot_device": "pxe", "persistent": False}


@pytest.mark.parametrize(
    ("target", "reached"),
    [("rebooting", "power on"), ("power off", "power off")],
)
def test_a_node_is_switched_and_stays_in_its_state(
    asked, free, target, reached
):
    path = f"/v1/nodes/{free.uuid}"
    reply = asked("PUT", f"{path}/states/power", {"target": target})
    assert reply.status == 202

    def switched() -> bool:
        shown = asked("GET", path).json
        return bool(
            shown["power_state"] == reached and not shown["reservation"]
        )

    until(switched, 30, f"{free.uuid} to be {reached}")
    is_whole(asked("GET", path).json, free)


@pytest.mark.parametrize(
    "changes",
    [
        [("add", "/properties/local_gb", "479")],
        [
            ("add", "/properties/cpus", "48"),
            ("add", "/properties/cpu_arch", "x86_64"),
            ("add", "/properties/memory_mb", "196608"),
        ],
        [("add", "/properties/capabilities", "cpu_vt:true,boot_mode:uefi")],
        [("add", "/extra/hardware_swift_object", "extra_hardware-1")],
        [("add", "/extra/cpus", {"physical": 2, "flags": ["vmx"]})],
    ],
    ids=["root disk", "processors and memory", "capabilities",
         "extra_hardware", "rules"],
)  # fmt: skip
def test_a_node_takes_what_was_found_and_is_answered_whole(
    asked, free, changes
):
    path = f"/v1/nodes/{free.uuid}"
    reply = asked("PATCH", path, patch(*changes))
    assert reply.status == 200
    is_whole(reply.json, free)
    for _op, where, value in changes:
        _, column, key = where.split("/")
        assert reply.json[column][key] == value
    assert reply.json == asked("GET", path).json


def test_add_replaces_a_property_that_is_there(asked, free):
    path = f"/v1/nodes/{free.uuid}"
    for cpus in ("4", "8", "8"):
        found = asked("PATCH", path, patch(("add", "/properties/cpus", cpus)))
        assert found.status == 200
        assert found.json["properties"]["cpus"] == cpus


def test_a_rule_changes_the_driver_and_its_interfaces(asked, free):
    path = f"/v1/nodes/{free.uuid}?reset_interfaces=True"
    reply = asked("PATCH", path, patch(("add", "/driver", "fake-hardware")))
    assert reply.status == 200
    is_whole(reply.json, free)


def test_a_rule_adds_a_trait(asked, free):
    path = f"/v1/nodes/{free.uuid}/traits"
    reply = asked("PUT", f"{path}/CUSTOM_FAST", version=TRAITS)
    assert (reply.status, reply.data) == (204, b"")
    assert asked("GET", path).json == {"traits": ["CUSTOM_FAST"]}


@pytest.mark.parametrize("pxe", [True, False])
def test_a_port_is_made_once(asked, free, pxe):
    body = {
        "node_uuid": free.uuid,
        "address": new_mac(),
        "extra": {},
        "pxe_enabled": pxe,
    }
    reply = asked("POST", "/v1/ports", body)
    assert reply.status == 201
    assert {key: reply.json[key] for key in body} == body
    again = asked("POST", "/v1/ports", body)
    assert again.status == 409
    assert body["address"] in again.fault
    assert "already exists" in again.fault


@pytest.mark.parametrize(
    "changes",
    [
        [("replace", "/pxe_enabled", False)],
        [
            ("add", "/local_link_connection/switch_id", "0a:1b:2c:3d:4e:5f"),
            ("add", "/local_link_connection/port_id", "Ethernet1/1"),
        ],
    ],
    ids=["update_pxe_enabled", "local_link_connection"],
)
def test_a_port_is_changed(asked, free, changes):
    path = f"/v1/ports/{free.port}"
    reply = asked("PATCH", path, patch(*changes))
    assert reply.status == 200
    for _op, where, value in changes:
        shown = reply.json
        for key in where.split("/")[1:]:
            shown = shown[key]
        assert shown == value


def test_a_port_that_is_not_to_be_kept_is_removed(asked, free):
    assert asked("DELETE", f"/v1/ports/{free.port}").status == 204
    assert asked("GET", f"/v1/ports/{free.port}").status == 404


def test_an_unknown_machine_is_enrolled(asked):
    body = {
        "driver": "fake-hardware",
        "driver_info": {"ipmi_address": "192.0.2.77"},
    }
    reply = asked("POST", "/v1/nodes", body)
    assert reply.status == 201
    assert reply.json["provision_state"] == "enroll"
    assert reply.json["driver_info"] == body["driver_info"]


# -- while somebody else has the node -----------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/nodes/{0.uuid}",
         patch(("add", "/properties/cpus", "48"))),
        ("PUT", "/v1/nodes/{0.uuid}/management/boot_device",
         {"boot_device": "pxe", "persistent": False}),
        ("PUT", "/v1/nodes/{0.uuid}/states/power", {"target": "power off"}),
        ("PATCH", "/v1/ports/{0.port}",
         patch(("replace", "/pxe_enabled", False))),
        ("DELETE", "/v1/ports/{0.port}", None),
    ],
    ids=["properties", "boot device", "power", "port", "port removed"],
)  # fmt: skip
def test_a_slow_reboot_makes_no_call_fail(asked, backend, method, path, body):
    node = enrolled(backend, "inspect wait")
    slow = patch(("add", "/driver_info/fake_power_delay", 5))
    assert asked("PATCH", f"/v1/nodes/{node.uuid}", slow).status == 200
    power = f"/v1/nodes/{node.uuid}/states/power"
    assert asked("PUT", power, {"target": "rebooting"}).status == 202
    # More than the three seconds that a request waits for other nodes.
    assert asked("GET", f"/v1/nodes/{node.uuid}").json["reservation"]
    reply = asked(method, path.format(node), body)
    assert reply.status in (200, 202, 204), reply.data


def test_a_node_that_was_deleted_is_not_found(asked, backend):
    node = backend.node()["uuid"]
    assert asked("DELETE", f"/v1/nodes/{node}").status == 204
    assert asked("GET", f"/v1/nodes/{node}").status == 404
    listed = asked("GET", "/v1/nodes?fields=uuid").json["nodes"]
    assert node not in {one["uuid"] for one in listed}
