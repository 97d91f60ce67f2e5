# SPDX-License-Identifier: Apache-2.0
"""Create, show, patch and delete nodes."""

import threading
import uuid

import pytest

MISSING = "11111111-1111-4111-8111-111111111111"


def new_name():
    return f"n-{uuid.uuid4()}"


def test_a_new_node_is_shown_whole(http, backend):
    name = new_name()
    reply = http(
        "POST",
        "/v1/nodes",
        {
            "driver": "fake-hardware",
            "name": name,
            "resource_class": "gold",
            "properties": {"cpus": 4, "wörter": "東京"},
            "conductor_group": "",
            "owner": "me",
        },
    )
    assert reply.status == 201
    node = reply.json
    url = f"{backend.url}/v1/nodes/{node['uuid']}"
    assert reply.headers["location"] == url
    assert node["provision_state"] == "enroll"
    assert node["properties"] == {"cpus": 4, "wörter": "東京"}
    assert node["power_interface"]
    assert node["conductor"] == "one"
    assert node["traits"] == []
    assert node["links"][0] == {"href": url, "rel": "self"}
    assert node["ports"][0]["href"] == f"{url}/ports"
    for ident in (node["uuid"], node["uuid"].upper(), name):
        assert http("GET", f"/v1/nodes/{ident}").json == node
        assert http("GET", f"/v1/nodes/{ident}/").json == node


def test_a_node_may_bring_its_uuid(http):
    wanted = str(uuid.uuid4())
    body = {"driver": "fake-hardware", "uuid": wanted.upper()}
    assert http("POST", "/v1/nodes", body).json["uuid"] == wanted
    again = http("POST", "/v1/nodes", body)
    assert again.status == 409
    assert wanted in again.fault


def test_a_name_is_given_once(http):
    body = {"driver": "fake-hardware", "name": new_name()}
    assert http("POST", "/v1/nodes", body).status == 201
    again = http("POST", "/v1/nodes", body)
    assert again.status == 409
    assert body["name"] in again.fault


def test_of_many_who_create_the_same_at_once_one_succeeds(http):
    body = {"driver": "fake-hardware", "name": new_name()}
    statuses = []

    def create():
        statuses.append(http("POST", "/v1/nodes", body).status)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [201] + [409] * 7


def test_a_version_shows_only_its_fields(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    assert "name" not in http("GET", path, version="1.4").json
    assert "name" in http("GET", path, version="1.5").json
    assert "shard" not in http("GET", path, version="1.81").json
    assert "shard" in http("GET", path, version="1.82").json
    assert "states" not in http("GET", path, version="1.13").json


def test_names_count_since_1_5(http):
    name = new_name()
    http("POST", "/v1/nodes", {"driver": "fake-hardware", "name": name})
    assert http("GET", f"/v1/nodes/{name}", version="1.4").status == 404
    assert http("GET", f"/v1/nodes/{name}", version="1.5").status == 200


def test_before_1_11_a_new_node_is_available_at_once(http):
    body = {"driver": "fake-hardware"}
    old = http("POST", "/v1/nodes", body, version="1.10")
    assert (old.status, old.json["provision_state"]) == (201, "available")
    path = f"/v1/nodes/{old.json['uuid']}"
    assert http("GET", path, version="1.1").json["provision_state"] is None
    assert http("GET", path, version="1.2").json["provision_state"] == (
        "available"
    )
    states = http("GET", f"{path}/states", version="1.1").json
    assert states["provision_state"] is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "driver"),
        ([], "body"),
        (3, "body"),
        ({"driver": None}, "driver"),
        ({"driver": ""}, "driver"),
        ({"driver": "no-such"}, "no-such"),
        ({"driver": "fake-hardware", "nonsense": 1}, "nonsense"),
        ({"driver": "fake-hardware", "power_state": "power on"},
         "power_state"),
        ({"driver": "fake-hardware", "provision_state": "active"},
         "provision_state"),
        ({"driver": "fake-hardware", "traits": ["CUSTOM_A"]}, "traits"),
        ({"driver": "fake-hardware", "uuid": "x"}, "uuid"),
        ({"driver": "fake-hardware", "uuid": 3}, "uuid"),
        ({"driver": "fake-hardware", "name": "a b"}, "name"),
        ({"driver": "fake-hardware", "name": "a\u0001"}, "name"),
        ({"driver": "fake-hardware", "name": "x" * 256}, "name"),
        ({"driver": "fake-hardware", "name": "detail"}, "name"),
        ({"driver": "fake-hardware", "name": MISSING}, "name"),
        ({"driver": "fake-hardware", "properties": []}, "properties"),
        ({"driver": "fake-hardware", "extra": "x"}, "extra"),
        ({"driver": "fake-hardware", "owner": "a\u0000"}, "NUL"),
        ({"driver": "fake-hardware", "owner": "a\nb"}, "owner"),
        ({"driver": "fake-hardware", "resource_class": "x" * 81},
         "resource_class"),
        ({"driver": "fake-hardware", "description": "x" * 4097},
         "description"),
        ({"driver": "fake-hardware", "conductor_group": "a b"},
         "conductor_group"),
        ({"driver": "fake-hardware", "automated_clean": "maybe"},
         "automated_clean"),
        ({"driver": "fake-hardware", "chassis_uuid": MISSING}, "hassis"),
        ({"driver": "fake-hardware", "parent_node": MISSING}, "parent_node"),
        ({"driver": "fake-hardware", "instance_uuid": "x"}, "instance_uuid"),
        ({"driver": "fake-hardware", "power_interface": "no-such"},
         "no-such"),
    ],
)  # fmt: skip
def test_a_node_that_makes_no_sense_is_refused_by_name(http, body, named):
    before = len(http("GET", "/v1/nodes").json["nodes"])
    reply = http("POST", "/v1/nodes", body)
    assert reply.status == 400
    assert named in reply.fault
    assert len(http("GET", "/v1/nodes").json["nodes"]) == before


def test_a_field_needs_its_version(http):
    body = {"driver": "fake-hardware", "shard": "s"}
    assert http("POST", "/v1/nodes", body, version="1.81").status == 406
    assert http("POST", "/v1/nodes", body, version="1.82").status == 201


def test_a_patch_is_applied_and_shown(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    reply = http(
        "PATCH",
        path,
        [
            {"op": "add", "path": "/extra/a", "value": {"b": [1, "ü"]}},
            {"op": "replace", "path": "/resource_class", "value": "silver"},
            {"op": "add", "path": "/properties", "value": {"cpus": 1}},
        ],
    )
    assert reply.status == 200
    assert reply.json["extra"] == {"a": {"b": [1, "ü"]}}
    assert reply.json["resource_class"] == "silver"
    assert reply.json["updated_at"]
    assert http("GET", path).json == reply.json
    removed = http("PATCH", path, [{"op": "remove", "path": "/extra/a"}])
    assert removed.json["extra"] == {}


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ({"op": "add", "path": "/uuid", "value": MISSING}, "/uuid"),
        ({"op": "add", "path": "/power_state", "value": "x"}, "/power_state"),
        ({"op": "add", "path": "/reservation", "value": "x"}, "/reservation"),
        ({"op": "add", "path": "/zork", "value": "x"}, "/zork"),
        ({"op": "remove", "path": "/driver"}, "/driver"),
        ({"op": "remove", "path": "/extra/none"}, "/extra/none"),
        ({"op": "replace", "path": "/extra/none", "value": 1}, "/extra/none"),
        ({"op": "add", "path": "/extra", "value": 1}, "extra"),
        ({"op": "add", "path": "/name", "value": "a b"}, "name"),
        ({"op": "add", "path": "/driver", "value": "no-such"}, "no-such"),
        ({"op": "move", "path": "/extra/a"}, "op"),
        ({"op": "add", "path": "x", "value": 1}, "path"),
        ({"op": "add", "path": "/maintenance", "value": "x"}, "maintenance"),
    ],
)
def test_a_patch_that_makes_no_sense_changes_nothing(
    http, node, operation, named
):
    path = f"/v1/nodes/{node['uuid']}"
    first = {"op": "add", "path": "/extra/changed", "value": True}
    reply = http("PATCH", path, [first, operation])
    assert reply.status == 400
    assert named in reply.fault
    assert http("GET", path).json == node


def test_a_failed_test_operation_is_a_conflict(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    reply = http(
        "PATCH",
        path,
        [
            {"op": "test", "path": "/resource_class", "value": "other"},
            {"op": "add", "path": "/extra/a", "value": 1},
        ],
    )
    assert reply.status == 409
    assert http("GET", path).json["extra"] == {}


def test_patches_of_many_at_once_are_all_kept(http, node):
    path = f"/v1/nodes/{node['uuid']}"
    statuses = []

    def add(key):
        body = [{"op": "add", "path": f"/extra/{key}", "value": key}]
        statuses.append(http("PATCH", path, body).status)

    threads = [threading.Thread(target=add, args=(f"k{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    kept = len(http("GET", path).json["extra"])
    # A refused one (409) is allowed, a lost one is not.
    assert kept == statuses.count(200)
    assert set(statuses) <= {200, 409}
    assert kept >= 1


def test_an_instance_is_on_one_node_and_a_node_has_one_instance(http, backend):
    one, two = backend.node()["uuid"], backend.node()["uuid"]
    instance, other = str(uuid.uuid4()), str(uuid.uuid4())

    def set_instance(node, value):
        patch = [{"op": "replace", "path": "/instance_uuid", "value": value}]
        return http("PATCH", f"/v1/nodes/{node}", patch)

    assert set_instance(one, instance).status == 200
    assert set_instance(one, instance).status == 200
    taken = set_instance(one, other)
    assert taken.status == 409
    assert instance in taken.fault
    assert set_instance(two, instance).status == 409
    assert http("DELETE", f"/v1/nodes/{one}").status == 409
    gone = [{"op": "remove", "path": "/instance_uuid"}]
    assert http("PATCH", f"/v1/nodes/{one}", gone).status == 200
    assert set_instance(two, instance).status == 200


def test_reset_interfaces_only_goes_with_a_new_driver(http, node):
    path = f"/v1/nodes/{node['uuid']}?reset_interfaces=True"
    extra = [{"op": "add", "path": "/extra/a", "value": 1}]
    assert http("PATCH", path, extra).status == 400
    driver = [{"op": "add", "path": "/driver", "value": "fake-hardware"}]
    assert http("PATCH", path, driver).status == 200
    assert http("PATCH", path, driver, version="1.44").status == 406


def test_a_deleted_node_is_gone(http, backend):
    node = backend.node()["uuid"]
    assert http("DELETE", f"/v1/nodes/{node}").status == 204
    assert http("GET", f"/v1/nodes/{node}").status == 404
    assert http("DELETE", f"/v1/nodes/{node}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PATCH", "", [{"op": "add", "path": "/extra/a", "value": 1}]),
        ("GET", "/states", None),
        ("PUT", "/states/power", {"target": "power on"}),
        ("PUT", "/states/provision", {"target": "manage"}),
        ("GET", "/states/console", None),
        ("PUT", "/states/console", {"enabled": True}),
        ("PUT", "/states/boot_mode", {"target": "uefi"}),
        ("PUT", "/states/secure_boot", {"target": True}),
        ("PUT", "/states/raid", {}),
        ("PUT", "/maintenance", {}),
        ("DELETE", "/maintenance", None),
        ("GET", "/validate", None),
        ("GET", "/management/boot_device", None),
        ("PUT", "/management/boot_device", {"boot_device": "pxe"}),
        ("GET", "/management/boot_device/supported", None),
        ("PUT", "/management/inject_nmi", {}),
        ("GET", "/management/indicators", None),
        ("GET", "/vifs", None),
        ("POST", "/vifs", {"id": MISSING}),
        ("DELETE", f"/vifs/{MISSING}", None),
        ("GET", "/traits", None),
        ("PUT", "/traits", {"traits": []}),
        ("PUT", "/traits/CUSTOM_A", None),
        ("DELETE", "/traits/CUSTOM_A", None),
        ("DELETE", "/traits", None),
        ("GET", "/history", None),
        ("GET", f"/history/{MISSING}", None),
        ("GET", "/inventory", None),
        ("GET", "/bios", None),
        ("GET", "/firmware", None),
        ("GET", "/children", None),
        ("GET", "/ports", None),
        ("GET", "/portgroups", None),
        ("GET", "/volume", None),
        ("GET", "/volume/connectors", None),
        ("GET", "/volume/targets", None),
        ("GET", "/vendor_passthru/methods", None),
        ("GET", "/vmedia", None),
        ("GET", "/allocation", None),
    ],
)
def test_all_that_belongs_to_a_missing_node_is_missing(
    http, method, path, body
):
    for ident in (MISSING, "missing"):
        reply = http(method, f"/v1/nodes/{ident}{path}", body)
        assert reply.status == 404
        assert reply.fault == f"Node {ident} could not be found."


@pytest.mark.parametrize(
    "ident", ["a%20b", "a%00", "%C3%A4", "a%0A", "%FF", "x" * 256, "a'--"]
)
def test_what_can_be_no_name_is_told_so(http, ident):
    reply = http("GET", f"/v1/nodes/{ident}")
    assert reply.status == 400
    assert "node" in reply.fault


def test_secrets_are_masked_in_every_answer(http, backend):
    node = backend.node(
        driver_info={"ipmi_password": "topsecret", "address": "10.0.0.1"},
        instance_info={"configdrive": "topsecret"},
    )
    answers = [
        node,
        http("GET", f"/v1/nodes/{node['uuid']}").json,
        http("GET", "/v1/nodes?fields=driver_info,instance_info").json,
        http("GET", "/v1/nodes/detail").json,
        http(
            "PATCH",
            f"/v1/nodes/{node['uuid']}",
            [{"op": "add", "path": "/driver_info/x", "value": 1}],
        ).json,
    ]
    assert all("topsecret" not in str(answer) for answer in answers)
    assert node["driver_info"]["address"] == "10.0.0.1"


@pytest.mark.parametrize(
    "name",
    [
        "ipmi_password",
        "ipmi_hex_kg_key",
        "ssh_password",
        "ssh_key_contents",
    ],
)
@pytest.mark.parametrize(
    "value", ["topsecret", {"a": "topsecret"}, ["topsecret"], [["topsecret"]]]
)
def test_a_secret_of_any_form_is_masked(backend, name, value):
    node = backend.node(driver_info={name: value})
    assert node["driver_info"] == {name: "******"}
