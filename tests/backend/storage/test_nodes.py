# SPDX-License-Identifier: Apache-2.0
"""Nodes in the database: filters, pages, compare-and-swap."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baremetal_backend.core.errors import (
    AlreadyExists,
    InstanceAssociated,
    InvalidParameterValue,
    MarkerNotFound,
    NodeNotFound,
)
from baremetal_backend.core.records import HistoryEvent, Node, NodeFilter
from baremetal_backend.storage import Changed, Lost
from baremetal_backend.storage.paging import Page
from tests.backend.storage.conftest import make, uuid_of
from tests.databases.lending import remove_rows


def names(storage, filters=NodeFilter(), page=Page()):  # noqa: B008
    return [row[0] for row in storage.nodes.page(("name",), filters, page)]


def test_a_node_comes_back_as_it_was_written(storage):
    written = Node(
        uuid=uuid_of(1),
        driver="fake-hardware",
        name="größe",
        properties={"cpus": 4, "nested": {"a": [1, None, True]}},
        traits=("CUSTOM_A", "CUSTOM_B"),
        automated_clean=False,
        secure_boot=True,
    )
    found = storage.nodes.create(written)
    assert found.created_at == "2027-01-15T08:00:00+00:00"
    assert found.lease_token == 1_800_000_000_000
    assert (
        dataclasses.replace(found, created_at=None, lease_token=0) == written
    )
    assert storage.nodes.get("größe") == found
    assert storage.nodes.get(uuid_of(1).upper()) == found


def test_a_name_that_only_resembles_a_uuid_is_a_name(storage):
    name = "rack-a1-shelf-b2-slot-c3-number-0001"
    assert len(name) == 36
    assert make(storage, 1, name=name) == storage.nodes.get(name)


@pytest.mark.parametrize("ident", ["nobody", uuid_of(9), "", "' OR 1=1 --"])
def test_a_node_that_is_not_there_is_said_to_be_missing(storage, ident):
    make(storage, 1, name="a")
    with pytest.raises(NodeNotFound) as caught:
        storage.nodes.get(ident)
    assert caught.value.status == 404


def test_uuids_names_and_instances_are_unique(storage):
    make(storage, 1, name="a", instance_uuid="i")
    with pytest.raises(AlreadyExists, match="UUID"):
        make(storage, 1)
    with pytest.raises(AlreadyExists, match="name a already exists"):
        make(storage, 2, name="a")
    with pytest.raises(InstanceAssociated, match="Instance i"):
        make(storage, 2, instance_uuid="i")
    other = make(storage, 2)
    with pytest.raises(InstanceAssociated):
        storage.nodes.change(
            other.uuid, {"instance_uuid": "i"}, seen_version=1
        )
    assert storage.nodes.get(other.uuid) == other


def test_an_unknown_chassis_is_refused(storage):
    with pytest.raises(InvalidParameterValue, match="Chassis"):
        make(storage, 1, chassis_uuid=uuid_of(5))


def test_a_page_hands_out_json_as_the_text_that_is_stored(storage):
    make(storage, 1, properties={"cpus": 4, "ü": "\n"}, traits=("A",))
    columns = ("uuid", "properties", "traits", "maintenance", "owner")
    (row,) = storage.nodes.page(columns)
    assert type(row) is tuple
    assert row[0] == uuid_of(1)
    assert json.loads(row[1]) == {"cpus": 4, "ü": "\n"}
    assert row[2:] == ('["A"]', False, None)
    assert {"properties", "traits"} <= storage.nodes.json_fields
    assert storage.nodes.row(uuid_of(1), columns) == row


FILTERS = [
    ({"conductor_group": "RackA"}, {"conductor_group": "racka"}),
    ({"conductor_group": ""}, {}),
    ({"instance_uuid": "i"}, {"instance_uuid": "i"}),
    ({"associated": True}, {"instance_uuid": "i"}),
    ({"associated": False}, {}),
    ({"resource_class": "gold"}, {"resource_class": "gold"}),
    ({"provision_state": "active"}, {"provision_state": "active"}),
    ({"maintenance": True}, {"maintenance": True}),
    ({"maintenance": False}, {}),
    ({"shards": ("s1", "s2")}, {"shard": "s2"}),
    ({"sharded": True}, {"shard": "s1"}),
    ({"sharded": False}, {}),
    ({"driver": "other"}, {"driver": "other"}),
    ({"fault": "power failure"}, {"fault": "power failure"}),
    ({"owner": "p"}, {"owner": "p"}),
    ({"lessee": "p"}, {"lessee": "p"}),
    ({"project": "p"}, {"lessee": "p"}),
    ({"project": "p"}, {"owner": "p"}),
    ({"description_contains": "50% O"}, {"description": "a 50% off"}),
    ({"retired": True}, {"retired": True}),
    ({"parent_node": "x"}, {"parent_node": "x"}),
    ({"top_level": True}, {}),
    ({"reservation": "h"}, {"reservation": "h"}),
    ({"power_state": "power on"}, {"power_state": "power on"}),
]

# What a node has that no filter above (but the negative ones) lets through.
OTHER = {
    "conductor_group": "other",
    "instance_uuid": "other",
    "maintenance": True,
    "shard": "other",
    "parent_node": "other",
    "description": "a 500 Offer",
}


@pytest.mark.parametrize(("asked", "values"), FILTERS)
def test_a_filter_lets_through_what_it_names_and_nothing_else(
    storage, asked, values
):
    make(storage, 1, name="wanted", **values)
    other = dict(OTHER)
    for name, value in asked.items():
        if name == "maintenance" and value:
            other["maintenance"] = False
        if value is True and name in ("associated", "sharded"):
            other |= {"instance_uuid": None, "shard": None}
    make(storage, 2, name="unwanted", **other)
    assert names(storage, NodeFilter(**asked)) == ["wanted"]
    assert storage.nodes.count(NodeFilter(**asked)) == 1


def test_without_a_filter_all_nodes_come_in_the_order_of_creation(storage):
    for number in (3, 1, 2):
        make(storage, number, name=f"n{number}")
    assert names(storage) == ["n3", "n1", "n2"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_pages_show_every_node_once_and_in_order(storage, data):
    remove_rows(storage.database)
    owners = data.draw(
        st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=12)
    )
    for number, owner in enumerate(owners):
        make(storage, number, name=f"n{number}", owner=owner)
    key = data.draw(
        st.sampled_from([None, "owner", "uuid", "provision_state"])
    )
    way = data.draw(st.sampled_from(["asc", "desc"]))
    limit = data.draw(st.integers(1, 5))
    seen, marker = [], None
    while True:
        page = Page(limit, marker, key, way)
        rows = storage.nodes.page(("uuid", "owner"), NodeFilter(), page)
        if not rows:
            break
        assert len(rows) <= limit
        seen += rows
        marker = rows[-1][0]
    whole = storage.nodes.page(
        ("uuid", "owner"), NodeFilter(), Page(None, None, key, way)
    )
    assert seen == whole
    assert len({row[0] for row in seen}) == len(owners)
    if key == "owner":
        ordered = [row[1] or "" for row in seen]
        assert ordered == sorted(ordered, reverse=way == "desc")


def test_a_page_goes_on_after_its_marker_though_nodes_come_and_go(storage):
    for number in range(6):
        make(storage, number, name=f"n{number}")
    assert names(storage, page=Page(2)) == ["n0", "n1"]
    storage.nodes.delete(uuid_of(0), 1)
    storage.nodes.delete(uuid_of(3), 1)
    make(storage, 9, name="new")
    after = names(storage, page=Page(10, uuid_of(1)))
    assert after == ["n2", "n4", "n5", "new"]


def test_bad_pages_are_refused(storage):
    with pytest.raises(MarkerNotFound):
        names(storage, page=Page(1, uuid_of(7)))
    for key in ("properties", "nonsense", "id; DROP TABLE nodes"):
        with pytest.raises(InvalidParameterValue, match="sort_key"):
            names(storage, page=Page(1, None, key))
    with pytest.raises(InvalidParameterValue, match="sort direction"):
        names(storage, page=Page(1, None, "name", "sideways"))


def test_a_writer_that_saw_an_older_version_loses_and_sees_the_newer(storage):
    node = make(storage, 1)
    won = storage.nodes.change(node.uuid, {"name": "a"}, seen_version=1)
    assert isinstance(won, Changed)
    assert (won.record.version, won.record.name) == (2, "a")
    assert won.record.updated_at is not None
    lost = storage.nodes.change(node.uuid, {"name": "b"}, seen_version=1)
    assert isinstance(lost, Lost)
    assert lost.current == won.record


def test_of_many_writers_at_once_exactly_one_wins(storage):
    node = make(storage, 1)
    results = []

    def write(number):
        results.append(
            storage.nodes.change(
                node.uuid, {"extra": {"n": number}}, seen_version=1
            )
        )

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    won = [r for r in results if isinstance(r, Changed)]
    assert len(results) == 8
    assert len(won) == 1
    assert storage.nodes.get(node.uuid) == won[0].record


def test_a_reserved_node_is_written_by_its_holder_only(storage):
    node = make(storage, 1, reservation="me")
    for expected in (
        {"unreserved": True},
        {"token": node.lease_token + 1},
        {"token": node.lease_token - 1},
        {"seen_version": 1, "unreserved": True},
    ):
        lost = storage.nodes.change(node.uuid, {"name": "x"}, **expected)
        assert isinstance(lost, Lost)
    mine = storage.nodes.change(
        node.uuid, {"name": "x"}, token=node.lease_token
    )
    assert isinstance(mine, Changed)


def test_a_token_is_worth_nothing_while_nobody_has_the_node(storage):
    node = make(storage, 1)
    lost = storage.nodes.change(
        node.uuid, {"name": "x"}, token=node.lease_token
    )
    assert isinstance(lost, Lost)


@pytest.mark.parametrize("field", ["reservation", "lease_token"])
def test_what_belongs_to_leases_is_not_written_by_others(storage, field):
    node = make(storage, 1)
    with pytest.raises(ValueError, match="only leases"):
        storage.nodes.change(node.uuid, {field: None}, seen_version=1)


def test_a_change_that_names_nothing_it_saw_is_a_fault(storage):
    node = make(storage, 1)
    with pytest.raises(ValueError, match="names what it saw"):
        storage.nodes.change(node.uuid, {"name": "x"})
    with pytest.raises(KeyError):
        storage.nodes.change(node.uuid, {"nonsense": 1}, seen_version=1)


def event(number, node):
    return HistoryEvent(
        uuid=uuid_of(number),
        node_uuid=node.uuid,
        severity="INFO",
        event_type="provisioning",
        event=f"event {number}",
    )


def test_history_is_written_with_its_change_or_not_at_all(storage):
    node = make(storage, 1)
    storage.nodes.change(
        node.uuid, {"name": "a"}, seen_version=1, event=event(101, node)
    )
    storage.nodes.change(
        node.uuid, {"name": "b"}, seen_version=1, event=event(102, node)
    )
    make(storage, 2, name="taken")
    with pytest.raises(AlreadyExists):
        storage.nodes.change(
            node.uuid,
            {"name": "taken"},
            seen_version=2,
            event=event(103, node),
        )
    page = storage.history.page(node.uuid)
    assert [one.event for one in page] == ["event 101"]
    assert storage.history.get(node.uuid, uuid_of(101)) == page[0]


def test_history_comes_in_pages(storage):
    node = make(storage, 1)
    for number in range(101, 106):
        version = storage.nodes.get(node.uuid).version
        storage.nodes.change(
            node.uuid, {}, seen_version=version, event=event(number, node)
        )
    first = storage.history.page(node.uuid, limit=2)
    rest = storage.history.page(node.uuid, marker=first[-1].uuid)
    assert [one.event[-3:] for one in first + rest] == [
        "101",
        "102",
        "103",
        "104",
        "105",
    ]
    with pytest.raises(MarkerNotFound):
        storage.history.page(node.uuid, marker="nonsense")


def test_a_deleted_node_takes_all_that_belongs_to_it_along(storage):
    node = make(storage, 1)
    port = storage.ports.create(
        {"node_uuid": node.uuid, "address": "52:54:00:00:00:01"}
    )
    storage.nodes.change(
        node.uuid, {"name": "a"}, seen_version=1, event=event(101, node)
    )
    assert isinstance(storage.nodes.delete(node.uuid, 1), Lost)
    assert isinstance(storage.nodes.delete(node.uuid, 2), Changed)
    assert storage.ports.page(("uuid",)) == []
    assert storage.history.page(node.uuid) == []
    with pytest.raises(NodeNotFound):
        storage.nodes.delete(node.uuid, 2)
    again = make(storage, 1)
    assert again.version == 1
    assert port.node_uuid == again.uuid


def test_shards_are_counted(storage):
    for number, shard in enumerate(["a", "b", None, "a"]):
        make(storage, number, shard=shard)
    assert sorted(storage.nodes.shards(), key=str) == [
        ("a", 2),
        ("b", 1),
        (None, 1),
    ]
