# SPDX-License-Identifier: Apache-2.0
"""Ports, port groups, volumes, chassis; drivers and conductors."""

import random
import uuid
from urllib.parse import urlsplit

import pytest

MISSING = "11111111-1111-4111-8111-111111111111"


def new_mac():
    octets = [random.randrange(256) for _ in range(4)]
    return "52:54:" + ":".join(f"{octet:02x}" for octet in octets)


@pytest.fixture
def kinds(node):
    """URL to a body that creates one."""
    return {
        "/v1/ports": lambda: {
            "node_uuid": node["uuid"],
            "address": new_mac(),
        },
        "/v1/portgroups": lambda: {"node_uuid": node["uuid"]},
        "/v1/volume/connectors": lambda: {
            "node_uuid": node["uuid"],
            "type": "iqn",
            "connector_id": str(uuid.uuid4()),
        },
        "/v1/volume/targets": lambda: {
            "node_uuid": node["uuid"],
            "volume_type": "iscsi",
            "volume_id": str(uuid.uuid4()),
            "boot_index": random.randrange(1000000),
        },
        "/v1/chassis": dict,
    }


URLS = [
    "/v1/ports",
    "/v1/portgroups",
    "/v1/volume/connectors",
    "/v1/volume/targets",
    "/v1/chassis",
]


@pytest.mark.parametrize("url", URLS)
def test_a_record_lives_from_post_to_delete(http, backend, kinds, url):
    body = kinds[url]()
    made = http("POST", url, {**body, "extra": {"ä": [1]}})
    assert made.status == 201, made.data
    record = made.json
    assert made.headers["location"] == f"{backend.url}{url}/{record['uuid']}"
    assert record["extra"] == {"ä": [1]}
    assert {k: record[k] for k in body} == body
    one = f"{url}/{record['uuid']}"
    assert http("GET", one).json == record
    patch = [{"op": "add", "path": "/extra/b", "value": 2}]
    patched = http("PATCH", one, patch)
    assert patched.status == 200, patched.data
    assert patched.json["extra"] == {"ä": [1], "b": 2}
    plural = url.rpartition("/")[2]
    listed = http("GET", f"{url}?detail=True&limit=1000").json[plural]
    assert patched.json in listed
    brief = next(
        r for r in http("GET", url).json[plural]
        if r["uuid"] == record["uuid"]
    )  # fmt: skip
    assert "extra" not in brief
    assert "links" in brief
    fields = http("GET", f"{url}?fields=extra").json[plural]
    assert all(set(r) == {"extra", "links"} for r in fields)
    gone = http("DELETE", one)
    assert (gone.status, gone.data) == (204, b"")
    assert http("GET", one).status == 404
    assert http("DELETE", one).status == 404
    assert http("PATCH", one, patch).status == 404


@pytest.mark.parametrize("url", URLS)
def test_a_uuid_is_given_once(http, kinds, url):
    body = {**kinds[url](), "uuid": str(uuid.uuid4())}
    assert http("POST", url, body).status == 201
    other = {**kinds[url](), "uuid": body["uuid"]}
    again = http("POST", url, other)
    assert again.status == 409
    assert body["uuid"] in again.fault


@pytest.mark.parametrize("url", URLS)
def test_bad_input_is_refused_by_name(http, kinds, url):
    good = kinds[url]()
    for body, named in (
        ([], "body"),
        ({**good, "zork": 1}, "zork"),
        ({**good, "uuid": "x"}, "uuid"),
        ({**good, "extra": []}, "extra"),
        ({**good, "created_at": "x"}, "created_at"),
    ):
        reply = http("POST", url, body)
        assert reply.status == 400
        assert named in reply.fault
    for query, named in (
        ("limit=x", "limit"),
        ("marker=x", "marker"),
        (f"marker={MISSING}", "arker"),
        ("sort_key=zork", "sort_key"),
        ("sort_key=extra", "sort_key"),
        ("sort_dir=x", "sort_dir"),
        ("fields=zork", "fields"),
        ("fields=uuid&detail=True", "detail"),
        ("zork=1", "zork"),
    ):
        reply = http("GET", f"{url}?{query}")
        assert reply.status == 400
        assert named in reply.fault
    assert http("GET", f"{url}/a%20b").status == 400
    assert http("GET", f"{url}/{MISSING}").status == 404
    assert http("GET", f"{url}/missing").status == 404


@pytest.mark.parametrize("url", URLS[:4])
def test_a_record_needs_a_node_that_exists(http, kinds, url):
    for node in (MISSING, None, 3, "a b"):
        reply = http("POST", url, {**kinds[url](), "node_uuid": node})
        assert reply.status == 400
        assert "node_uuid" in reply.fault
    body = kinds[url]()
    del body["node_uuid"]
    reply = http("POST", url, body)
    assert reply.status == 400
    assert "node_uuid" in reply.fault


@pytest.mark.parametrize("url", URLS[:4])
def test_lists_are_filtered_by_node(http, backend, kinds, url, node):
    made = [http("POST", url, kinds[url]()).json["uuid"] for _ in range(3)]
    plural = url.rpartition("/")[2]
    path = f"{url}?node={node['uuid']}"
    assert [r["uuid"] for r in http("GET", path).json[plural]] == made
    page = http("GET", f"{path}&limit=2").json
    assert [r["uuid"] for r in page[plural]] == made[:2]
    link = urlsplit(page["next"])
    rest = http("GET", f"{link.path}?{link.query}").json
    assert [r["uuid"] for r in rest[plural]] == made[2:]
    assert "next" not in rest
    below = url.removeprefix("/v1")
    own = http("GET", f"/v1/nodes/{node['uuid']}{below}").json[plural]
    assert [r["uuid"] for r in own] == made
    assert http("GET", f"{url}?node={MISSING}").status == 404
    other = backend.node()["uuid"]
    assert http("GET", f"{url}?node={other}").json[plural] == []


def test_a_mac_address_is_used_once_in_any_case(http, node):
    mac = new_mac()
    body = {"node_uuid": node["uuid"], "address": mac.upper()}
    assert http("POST", "/v1/ports", body).json["address"] == mac
    body["address"] = mac
    again = http("POST", "/v1/ports", body)
    assert again.status == 409
    assert mac in again.fault
    found = http("GET", f"/v1/ports?address={mac.upper()}").json["ports"]
    assert len(found) == 1
    assert http("GET", "/v1/ports?address=x").status == 400
    body["address"] = "x"
    reply = http("POST", "/v1/ports", body)
    assert reply.status == 400
    assert "address" in reply.fault


def test_a_port_may_name_its_node_since_1_94(http, backend):
    name = f"n-{uuid.uuid4()}"
    node = backend.node(name=name)
    body = {"node_uuid": name, "address": new_mac()}
    assert http("POST", "/v1/ports", body, version="1.93").status == 400
    made = http("POST", "/v1/ports", body, version="1.94")
    assert made.json["node_uuid"] == node["uuid"]


def test_a_port_joins_a_port_group_of_its_node(http, backend, node):
    group = http("POST", "/v1/portgroups", {"node_uuid": node["uuid"]}).json
    assert group["mode"] == "active-backup"
    assert group["standalone_ports_supported"] is True
    body = {
        "node_uuid": node["uuid"],
        "address": new_mac(),
        "portgroup_uuid": group["uuid"],
        "pxe_enabled": False,
        "local_link_connection": {"switch_id": "0a:1b", "port_id": "x"},
    }
    port = http("POST", "/v1/ports", body).json
    assert port["pxe_enabled"] is False
    path = f"/v1/portgroups/{group['uuid']}/ports"
    found = http("GET", path).json["ports"]
    assert [p["uuid"] for p in found] == [port["uuid"]]
    other = backend.node()["uuid"]
    wrong = {**body, "node_uuid": other, "address": new_mac()}
    reply = http("POST", "/v1/ports", wrong)
    assert reply.status == 400
    assert "portgroup_uuid" in reply.fault
    wrong = {**body, "portgroup_uuid": MISSING, "address": new_mac()}
    assert http("POST", "/v1/ports", wrong).status == 400
    body["local_link_connection"] = {"zork": 1}
    reply = http("POST", "/v1/ports", {**body, "address": new_mac()})
    assert reply.status == 400
    assert "local_link_connection" in reply.fault


def test_a_port_group_is_found_by_its_name(http, node):
    name = f"g-{uuid.uuid4()}"
    body = {"node_uuid": node["uuid"], "name": name}
    made = http("POST", "/v1/portgroups", body).json
    assert http("GET", f"/v1/portgroups/{name}").json == made
    assert http("POST", "/v1/portgroups", body).status == 409


def test_a_connector_is_given_once(http, kinds):
    body = kinds["/v1/volume/connectors"]()
    assert http("POST", "/v1/volume/connectors", body).status == 201
    assert http("POST", "/v1/volume/connectors", body).status == 409


def test_what_a_version_does_not_have_is_not_there(http):
    assert http("GET", "/v1/portgroups", version="1.22").status == 404
    assert http("GET", "/v1/volume/targets", version="1.31").status == 404
    assert http("GET", "/v1/conductors", version="1.48").status == 404
    assert http("GET", "/v1/shards", version="1.81").status == 404


def test_a_deleted_node_takes_its_belongings_with_it(http, backend):
    node = backend.node()["uuid"]
    body = {"node_uuid": node, "address": new_mac()}
    port = http("POST", "/v1/ports", body).json["uuid"]
    assert http("DELETE", f"/v1/nodes/{node}").status == 204
    assert http("GET", f"/v1/ports/{port}").status == 404


def test_nodes_are_listed_by_chassis(http, backend):
    chassis = http("POST", "/v1/chassis", {"description": "rack 1"}).json
    node = backend.node(chassis_uuid=chassis["uuid"])
    for path in (
        f"/v1/chassis/{chassis['uuid']}/nodes",
        f"/v1/nodes?chassis_uuid={chassis['uuid']}",
    ):
        found = http("GET", path).json["nodes"]
        assert [n["uuid"] for n in found] == [node["uuid"]]
    assert http("GET", f"/v1/chassis/{MISSING}/nodes").status == 404


def test_the_enabled_driver_is_shown(http):
    (driver,) = http("GET", "/v1/drivers").json["drivers"]
    assert driver["name"] == "fake-hardware"
    assert driver["hosts"] == ["one"]
    assert driver["type"] == "dynamic"
    one = http("GET", "/v1/drivers/fake-hardware").json
    assert one["default_power_interface"] in one["enabled_power_interfaces"]
    (detailed,) = http("GET", "/v1/drivers?detail=True").json["drivers"]
    assert detailed == one
    assert http("GET", "/v1/drivers?type=classic").json["drivers"] == []
    assert http("GET", "/v1/drivers?type=zork").status == 400
    assert http("GET", "/v1/drivers?fields=zork").status == 400
    (named,) = http("GET", "/v1/drivers?fields=name").json["drivers"]
    assert set(named) == {"name", "links"}
    properties = http("GET", "/v1/drivers/fake-hardware/properties").json
    assert all(isinstance(text, str) for text in properties.values())
    missing = http("GET", "/v1/drivers/zork")
    assert missing.status == 404
    assert "zork" in missing.fault


def test_the_conductor_is_shown(http):
    (conductor,) = http("GET", "/v1/conductors").json["conductors"]
    assert conductor["hostname"] == "one"
    assert conductor["alive"] is True
    one = http("GET", "/v1/conductors/one").json
    assert one["drivers"] == ["fake-hardware"]
    (detailed,) = http("GET", "/v1/conductors?detail=True").json["conductors"]
    assert set(detailed) == set(one)
    assert http("GET", "/v1/conductors?fields=zork").status == 400
    assert http("GET", "/v1/conductors?marker=zork").status == 400
    assert http("GET", "/v1/conductors?sort_key=zork").status == 400
    assert http("GET", "/v1/conductors/zork").status == 404
