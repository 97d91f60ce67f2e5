# SPDX-License-Identifier: Apache-2.0
"""Listings over real HTTP: all pages, or an error."""

import http.server
import json
import threading
import urllib.parse

import openstack
import pytest

from nova_ironic_partition.adapters.baremetal_nodes import (
    BaremetalNodes,
    VersionError,
)
from nova_ironic_partition.core.identity import PartitionKey
from nova_ironic_partition.core.snapshot import FIELDS, Scope
from nova_ironic_partition.ports import InventoryError

ALL = Scope(None, None)


def node(number):
    values = dict.fromkeys(FIELDS)
    values.update(
        uuid=f"n{number}",
        maintenance=True,
        properties={"cpus": 4},
        instance_uuid="i1",
        traits=["CUSTOM_A"],
        conductor_group="Rack-A",
    )
    return values


class BareMetal(http.server.BaseHTTPRequestHandler):
    """Serves ``server.pages`` and remembers what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path.rstrip("/") in ("", "/v1"):
            self.answer(200, self.server.discovery())
            return
        self.server.asked.append(
            (query, self.headers["X-OpenStack-Ironic-API-Version"])
        )
        page = self.server.pages[int(query.get("marker", 0))]
        if callable(page):
            page(self)
        else:
            self.answer(200, page)

    def answer(self, status, body):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    maximum = "1.109"

    def discovery(self):
        version = {
            "id": "v1",
            "status": "CURRENT",
            "min_version": "1.1",
            "version": self.maximum,
            "links": [{"rel": "self", "href": f"{self.url}/v1/"}],
        }
        return {"versions": [version], "version": version, "id": "v1"}


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), BareMetal)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    server.asked = []
    server.pages = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def inventory(server, timeout=10.0):
    connection = openstack.connection.Connection(
        auth_type="none", endpoint=server.url
    )
    return BaremetalNodes(lambda: connection.baremetal, timeout)


def test_all_pages_become_records(server):
    far = "http://not-reachable.invalid/v1/nodes?marker=1&fields=uuid"
    server.pages = [
        {"nodes": [node(1), node(2)], "next": far},
        {"nodes": [node(3)]},
    ]
    records = inventory(server).nodes(Scope(PartitionKey(""), None))
    assert [record.id for record in records] == ["n1", "n2", "n3"]
    assert records[0].is_maintenance is True
    assert records[0].properties == {"cpus": 4}
    assert records[0].instance_id == "i1"
    assert records[0].traits == ["CUSTOM_A"]
    first, version = server.asked[0]
    assert first == {"conductor_group": "", "fields": ",".join(FIELDS)}
    assert version == "1.46"


def test_a_shard_is_filtered_by_the_service(server):
    server.pages = [{"nodes": []}]
    assert inventory(server).nodes(Scope(PartitionKey("a"), "s1")) == []
    query, version = server.asked[0]
    assert (query["shard"], query["conductor_group"]) == ("s1", "a")
    assert version == "1.82"


def fail(request):
    request.answer(503, {"error_message": "busy"})


def hang_up(request):
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"nodes": [')
    request.close_connection = True


@pytest.mark.parametrize(
    "second",
    [
        fail,
        hang_up,
        lambda request: request.answer(200, b"<html>"),
        lambda request: request.answer(404, {"error_message": "no"}),
        {"nodes": None},
        {"servers": []},
        [],
        {"nodes": [{"uuid": "n2"}]},
        {"nodes": ["n2"]},
        {"nodes": [], "next": 7},
    ],
)
def test_a_page_that_fails_fails_the_listing(server, second):
    link = f"{server.url}/v1/nodes?marker=1"
    server.pages = [{"nodes": [node(1)], "next": link}, second]
    with pytest.raises(InventoryError):
        inventory(server).nodes(ALL)


def test_a_page_that_links_to_itself_is_an_error(server):
    link = f"{server.url}/v1/nodes?marker=0"
    server.pages = [{"nodes": [node(1)], "next": link}]
    with pytest.raises(InventoryError, match="to itself"):
        inventory(server).nodes(ALL)


def test_a_page_has_a_deadline(server):
    release = threading.Event()
    server.pages = [lambda request: release.wait(10)]
    with pytest.raises(InventoryError):
        inventory(server, timeout=0.3).nodes(ALL)
    release.set()


def test_a_service_that_is_down_is_an_error(server):
    nodes = inventory(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(InventoryError):
        nodes.nodes(ALL)


@pytest.mark.parametrize(
    ("maximum", "scope", "needed"),
    [("1.45", ALL, "1.46"), ("1.81", Scope(None, "s"), "1.82")],
)
def test_a_service_that_is_too_old_is_refused(server, maximum, scope, needed):
    server.maximum = maximum
    with pytest.raises(VersionError, match=f"microversion {needed}"):
        inventory(server).require(scope)


def test_a_service_that_is_new_enough_is_not_refused(server):
    server.maximum = "1.82"
    inventory(server).require(Scope(None, "s"))


def test_the_groups_that_exist_are_named_once_each(server):
    server.pages = [{"nodes": [node(1), node(2)]}]
    assert inventory(server).groups() == ["Rack-A"]
    assert server.asked == [({"fields": "conductor_group"}, "1.46")]


def test_nodes_of_few_instances_are_asked_for_one_by_one(server):
    server.pages = [{"nodes": [node(1)]}]
    records = inventory(server).with_instances({"i1"})
    assert [record.id for record in records] == ["n1"]
    query, _version = server.asked[0]
    assert query == {"instance_uuid": "i1", "fields": ",".join(FIELDS)}


def test_nodes_of_many_instances_are_listed_at_once(server):
    server.pages = [{"nodes": [node(1), {**node(2), "instance_uuid": "x"}]}]
    wanted = {f"i{number}" for number in range(50)}
    records = inventory(server).with_instances(wanted)
    assert [record.id for record in records] == ["n1"]
    assert [query["associated"] for query, _ in server.asked] == ["True"]
