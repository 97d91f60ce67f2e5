# SPDX-License-Identifier: Apache-2.0
"""Lists of nodes: fields, filters, order and pages."""

import uuid
from urllib.parse import urlsplit

import pytest

NOVA_FIELDS = (
    "uuid,power_state,target_power_state,provision_state,"
    "target_provision_state,last_error,maintenance,properties,"
    "instance_uuid,traits,resource_class"
)


@pytest.fixture(scope="module")
def owner(backend):
    """Seven nodes that nobody else has: their owner."""
    name = f"owner-{uuid.uuid4()}"
    for number in range(7):
        backend.node(
            owner=name,
            name=f"{name}-{number}",
            resource_class="even" if number % 2 == 0 else "odd",
            conductor_group="Rack1" if number < 3 else "",
            shard=None if number < 2 else f"shard{number % 2}",
            description=f"machine 100% number_{number}",
            properties={"cpus": number},
            lessee=f"lessee{number % 3}",
            retired=number == 6,
        )
    return name


def listed(http, path):
    reply = http("GET", path)
    assert reply.status == 200, reply.data
    return reply.json["nodes"]


def numbers(http, owner, query):
    nodes = listed(http, f"/v1/nodes?owner={owner}&fields=name&{query}")
    return [int(node["name"].rpartition("-")[2]) for node in nodes]


def test_a_list_shows_the_fields_that_everybody_needs(http, owner):
    node = listed(http, f"/v1/nodes?owner={owner}")[0]
    assert set(node) == {
        "uuid", "name", "instance_uuid", "maintenance", "power_state",
        "provision_state", "links",
    }  # fmt: skip


def test_a_list_shows_the_fields_that_are_asked_for(http, owner):
    nodes = listed(http, f"/v1/nodes?owner={owner}&fields={NOVA_FIELDS}")
    assert set(nodes[0]) == {*NOVA_FIELDS.split(","), "links"}
    assert [node["properties"] for node in nodes] == [
        {"cpus": number} for number in range(7)
    ]


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/nodes/"])
def test_both_forms_of_the_url_list_the_same(http, owner, path):
    assert len(listed(http, f"{path}?owner={owner}&fields=uuid")) == 7


@pytest.mark.parametrize(
    "path", ["/v1/nodes/detail?", "/v1/nodes?detail=True&"]
)
def test_a_detailed_list_shows_nodes_as_they_are_shown_alone(
    http, owner, path
):
    nodes = listed(http, f"{path}owner={owner}")
    assert len(nodes) == 7
    assert nodes[0] == http("GET", f"/v1/nodes/{nodes[0]['uuid']}").json


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6]),
        ("resource_class=odd", [1, 3, 5]),
        ("resource_class=", []),
        ("conductor_group=rack1", [0, 1, 2]),
        ("conductor_group=RACK1", [0, 1, 2]),
        ("conductor_group=", [3, 4, 5, 6]),
        ("conductor_group=unknown", []),
        ("shard=shard0", [2, 4, 6]),
        ("shard=shard0,shard1", [2, 3, 4, 5, 6]),
        ("sharded=True", [2, 3, 4, 5, 6]),
        ("sharded=false", [0, 1]),
        ("lessee=lessee1", [1, 4]),
        ("retired=True", [6]),
        ("retired=0", [0, 1, 2, 3, 4, 5]),
        ("description_contains=NUMBER_3", [3]),
        ("description_contains=0%25%20n", [0, 1, 2, 3, 4, 5, 6]),
        ("description_contains=r%25r", []),
        ("provision_state=enroll", [0, 1, 2, 3, 4, 5, 6]),
        ("provision_state=available", []),
        ("maintenance=False", [0, 1, 2, 3, 4, 5, 6]),
        ("maintenance=True", []),
        ("associated=False", [0, 1, 2, 3, 4, 5, 6]),
        ("associated=True", []),
        ("driver=fake-hardware", [0, 1, 2, 3, 4, 5, 6]),
        ("driver=other", []),
        ("instance_uuid=11111111-1111-4111-8111-111111111111", []),
        ("fault=power%20failure", []),
        ("resource_class=odd&shard=shard1", [3, 5]),
        ("conductor=one&resource_class=odd", [1, 3, 5]),
        ("conductor=two", []),
        ("sort_key=resource_class", [0, 2, 4, 6, 1, 3, 5]),
        ("sort_key=resource_class&sort_dir=desc", [5, 3, 1, 6, 4, 2, 0]),
        ("sort_dir=desc", [6, 5, 4, 3, 2, 1, 0]),
        ("sort_key=shard", [0, 1, 2, 4, 6, 3, 5]),
        ("limit=2", [0, 1]),
        ("limit=100000", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_filters_and_order(http, owner, query, expected):
    assert numbers(http, owner, query) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8])
@pytest.mark.parametrize(
    "order", ["", "&sort_key=shard", "&sort_key=shard&sort_dir=desc"]
)
@pytest.mark.parametrize("which", ["", "&conductor=one"])
def test_following_next_links_shows_each_node_once(
    http, owner, size, order, which
):
    whole = numbers(http, owner, order.lstrip("&"))
    path = f"/v1/nodes?owner={owner}&fields=name&limit={size}{order}{which}"
    seen, pages = [], 0
    while path:
        reply = http("GET", path).json
        seen += [int(n["name"].rpartition("-")[2]) for n in reply["nodes"]]
        pages += 1
        link = reply.get("next")
        path = link and f"{urlsplit(link).path}?{urlsplit(link).query}"
        assert pages < 10
    assert seen == whole
    assert pages == -(-7 // size)


def test_a_page_stays_right_while_nodes_come_and_go(http, backend):
    name = f"owner-{uuid.uuid4()}"
    nodes = [backend.node(owner=name)["uuid"] for _ in range(4)]
    reply = http("GET", f"/v1/nodes?owner={name}&limit=2").json
    http("DELETE", f"/v1/nodes/{nodes[0]}")
    nodes.append(backend.node(owner=name)["uuid"])
    link = urlsplit(reply["next"])
    rest = http(
        "GET", f"{link.path}?{link.query.replace('limit=2', 'limit=9')}"
    )
    assert [n["uuid"] for n in rest.json["nodes"]] == nodes[2:]


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("limit=0", 400, "limit"),
        ("limit=-1", 400, "limit"),
        ("limit=x", 400, "limit"),
        ("limit=1.5", 400, "limit"),
        ("limit=" + "9" * 40, 400, "limit"),
        ("limit=1&limit=2", 400, "limit"),
        ("marker=x", 400, "marker"),
        ("marker=", 400, "marker"),
        ("marker=11111111-1111-4111-8111-111111111111", 400, "arker"),
        ("sort_key=zork", 400, "sort_key"),
        ("sort_key=properties", 400, "sort_key"),
        ("sort_key=driver_info", 400, "sort_key"),
        ("sort_key=uuid;drop%20table%20nodes", 400, "sort_key"),
        ("sort_dir=up", 400, "sort_dir"),
        ("fields=zork", 400, "fields"),
        ("fields=", 400, "fields"),
        ("fields=uuid,,name", 400, "fields"),
        ("fields=version", 400, "fields"),
        ("fields=__class__", 400, "fields"),
        ("fields=uuid&detail=True", 400, "detail"),
        ("zork=1", 400, "zork"),
        ("maintenance=maybe", 400, "maintenance"),
        ("associated=", 400, "associated"),
        ("sharded=2", 400, "sharded"),
        ("provision_state=zork", 400, "provision_state"),
        ("instance_uuid=x", 400, "instance_uuid"),
        ("fault=x", 400, "fault"),
        ("owner=%00", 400, "owner"),
        ("owner=%0A", 400, "owner"),
        ("owner=%FF", 400, "query"),
        ("parent_node=a%20b", 400, "parent_node"),
        ("parent_node=missing", 404, "missing"),
        ("shard=" + ",".join(map(str, range(501))), 400, "shard"),
        ("&".join(f"a{n}=1" for n in range(100)), 400, "query"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(
    http, query, status, named
):
    reply = http("GET", f"/v1/nodes?{query}")
    assert reply.status == status
    assert named in reply.fault


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("fields=uuid", 8),
        ("provision_state=enroll", 9),
        ("driver=x", 16),
        ("resource_class=x", 21),
        ("fields=traits", 37),
        ("fault=power%20failure", 42),
        ("detail=True", 43),
        ("conductor_group=x", 46),
        ("conductor=x", 49),
        ("owner=x", 50),
        ("description_contains=x", 51),
        ("retired=True", 61),
        ("lessee=x", 65),
        ("shard=x", 82),
        ("sharded=True", 82),
        ("include_children=True", 83),
        ("fields=disable_power_off", 95),
    ],
)
def test_an_argument_needs_its_version(http, query, since):
    path = f"/v1/nodes?{query}"
    assert http("GET", path, version=f"1.{since - 1}").status == 406
    assert http("GET", path, version=f"1.{since}").status == 200


def test_children_are_listed_when_they_are_asked_for(http, backend):
    name = f"owner-{uuid.uuid4()}"
    parent = backend.node(owner=name, name=f"p-{uuid.uuid4()}")
    child = backend.node(owner=name, parent_node=parent["name"])
    assert child["parent_node"] == parent["uuid"]

    def uuids(query):
        path = f"/v1/nodes?owner={name}&{query}"
        return [node["uuid"] for node in listed(http, path)]

    both = [parent["uuid"], child["uuid"]]
    assert uuids("") == [parent["uuid"]]
    assert uuids("include_children=True") == both
    assert uuids(f"parent_node={parent['uuid']}") == [child["uuid"]]
    path = f"/v1/nodes/{parent['uuid']}/children"
    assert http("GET", path).json["children"] == [child["uuid"]]


def test_shards_are_counted(http, owner):
    shards = {
        s["name"]: s["count"] for s in http("GET", "/v1/shards").json["shards"]
    }
    assert shards["shard0"] == 3
    assert shards["shard1"] == 2
    assert shards["None"] >= 2
