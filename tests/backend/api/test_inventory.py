# SPDX-License-Identifier: Apache-2.0
"""``GET /v1/nodes/{node}/inventory``: what an inspection collected."""

from __future__ import annotations

import contextlib
import uuid

import pytest

from baremetal_backend.core.records import Inventory
from baremetal_backend.storage import Database, Storage

FOUND = {
    "interfaces": [{"name": "eth0", "mac_address": "52:54:00:00:00:01"}],
    "system_vendor": {"manufacturer": "Größe & Söhne"},
}


@pytest.fixture
def keep(backend):
    """Keeps an inventory as a conductor does."""
    with contextlib.closing(
        Storage(Database(f"sqlite:///{backend.database}"))
    ) as storage:

        def kept(node, *parts):
            storage.inventories.keep(node["uuid"], Inventory(*parts))

        yield kept


def test_what_was_collected_is_shown_by_uuid_and_name(http, backend, keep):
    node = backend.node(name=f"n-{uuid.uuid4()}")
    keep(node, FOUND, {"all_interfaces": {}})
    for ident in (node["uuid"], node["name"]):
        reply = http("GET", f"/v1/nodes/{ident}/inventory", version="1.81")
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert reply.json == {
            "inventory": FOUND,
            "plugin_data": {"all_interfaces": {}},
        }


def test_a_node_that_was_never_inspected_has_none(http, node):
    reply = http("GET", f"/v1/nodes/{node['uuid']}/inventory")
    assert reply.status == 404
    assert reply.fault == (
        f"Node inventory record for node {node['uuid']} could not be found."
    )


def test_older_clients_do_not_know_it(http, node, keep):
    keep(node, FOUND, {})
    path = f"/v1/nodes/{node['uuid']}/inventory"
    assert http("GET", path, version="1.80").status == 404


@pytest.mark.parametrize("query", ["?fields=inventory", "?x=1"])
def test_it_takes_no_arguments(http, node, query):
    path = f"/v1/nodes/{node['uuid']}/inventory{query}"
    assert http("GET", path).status == 400


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_clients_do_not_write_it(http, node, method):
    path = f"/v1/nodes/{node['uuid']}/inventory"
    assert http(method, path, {}).status == 405


def test_a_new_inspection_replaces_it(http, node, keep):
    keep(node, FOUND, {"old": 1})
    keep(node, {}, {"new": 1})
    shown = http("GET", f"/v1/nodes/{node['uuid']}/inventory").json
    assert shown == {"inventory": {}, "plugin_data": {"new": 1}}


def test_megabytes_are_shown_whole(http, node, keep):
    collected = {"lldp": {f"eth{n}": ["0a1b2c3d" * 100] * 10
                          for n in range(700)}}  # fmt: skip
    keep(node, FOUND, collected)
    reply = http("GET", f"/v1/nodes/{node['uuid']}/inventory")
    assert reply.status == 200
    assert len(reply.data) > 5_000_000
    assert reply.json["plugin_data"] == collected


def test_it_goes_with_the_node(http, backend, keep):
    node = backend.node()
    keep(node, FOUND, {})
    path = f"/v1/nodes/{node['uuid']}"
    assert http("DELETE", path).status == 204
    assert http("GET", f"{path}/inventory").status == 404
    again = backend.node(uuid=node["uuid"])
    assert http("GET", f"{path}/inventory").status == 404
    assert http("DELETE", f"/v1/nodes/{again['uuid']}").status == 204
