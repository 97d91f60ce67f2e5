# SPDX-License-Identifier: Apache-2.0
"""How a client finds out where the API is and which versions it has."""

import json

import pytest

from baremetal_backend.api import microversions

NEWEST = microversions.text(microversions.MAXIMUM)
MIN = microversions.MINIMUM_HEADER.lower()
MAX = microversions.MAXIMUM_HEADER.lower()
OWN = microversions.HEADER.lower()


def test_the_root_tells_versions_without_being_asked_for_one(http, backend):
    reply = http("GET", "/", version=None)
    assert reply.status == 200
    (version,) = reply.json["versions"]
    assert version["id"] == "v1"
    assert version["status"] == "CURRENT"
    assert version["min_version"] == "1.1"
    assert version["version"] == NEWEST
    assert version["links"] == [{"href": f"{backend.url}/v1/", "rel": "self"}]


@pytest.mark.parametrize("path", ["/v1", "/v1/"])
def test_v1_answers_with_and_without_a_slash(http, backend, path):
    reply = http("GET", path, version=None)
    assert reply.status == 200
    assert reply.json["version"]["version"] == NEWEST
    assert reply.json["nodes"][0]["href"] == f"{backend.url}/v1/nodes/"


def test_v1_announces_what_the_version_has(http):
    assert "portgroups" not in http("GET", "/v1", version="1.22").json
    assert "portgroups" in http("GET", "/v1", version="1.23").json


def test_links_begin_with_the_host_that_the_client_asked(http):
    reply = http("GET", "/", Host="bare.metal.example:8080")
    (link,) = reply.json["versions"][0]["links"]
    assert link["href"] == "http://bare.metal.example:8080/v1/"


def test_a_hostile_host_header_does_not_reach_the_links(http, backend):
    reply = http("GET", "/", Host='x"><script>')
    (link,) = reply.json["versions"][0]["links"]
    assert link["href"] == f"{backend.url}/v1/"


@pytest.mark.parametrize("version", ["1.1", "1.46", NEWEST])
def test_an_answer_names_the_version_that_was_asked(http, version):
    for path in ("/", "/v1", "/v1/nodes", "/v1/nodes/missing", "/v1/zork"):
        headers = http("GET", path, version=version).headers
        assert headers[OWN] == version
        assert headers[MIN] == "1.1"
        assert headers[MAX] == NEWEST


def test_without_a_version_the_oldest_is_spoken(http):
    assert http("GET", "/v1/nodes", version=None).headers[OWN] == "1.1"


def test_latest_is_the_newest(http):
    assert http("GET", "/v1", version="latest").headers[OWN] == NEWEST


def test_the_standard_header_is_understood(http):
    reply = http(
        "GET", "/v1", version=None, OpenStack_API_Version="baremetal 1.50"
    )
    assert reply.headers[OWN] == "1.50"


@pytest.mark.parametrize("version", ["1.999", "2.1", "1.0", "abc", "1"])
def test_a_version_that_is_not_there_is_answered_with_the_range(http, version):
    reply = http("GET", "/v1/nodes", version=version)
    assert reply.status == 406
    assert reply.headers[MIN] == "1.1"
    assert reply.headers[MAX] == NEWEST
    assert reply.fault


def test_every_answer_has_a_request_id_of_its_own(http):
    ids = {http("GET", "/v1").headers["x-openstack-request-id"] for _ in "ab"}
    assert len(ids) == 2
    assert all(i.startswith("req-") for i in ids)


def test_the_healthcheck_needs_no_version(http):
    reply = http("GET", "/healthcheck", version=None)
    assert (reply.status, reply.json) == (200, {"status": "OK"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/zork", 404),
        ("GET", "/v1/zork", 404),
        ("GET", "/v1/nodes/a/b/c", 404),
        ("DELETE", "/v1/nodes", 405),
        ("PUT", "/v1/nodes", 405),
        ("HEAD", "/v1/nodes", 405),
        ("POST", "/v1/nodes/a", 405),
        ("TRACE", "/v1/nodes", 405),
        ("GET", "/v1/allocations", 404),
        ("POST", "/v1/deploy_templates", 404),
    ],
)
def test_what_is_not_there_is_told_in_the_form_that_clients_parse(
    http, method, path, status
):
    reply = http(method, path)
    assert reply.status == status
    if method != "HEAD":
        fault = json.loads(reply.json["error_message"])
        assert fault["faultcode"] == "Client"
        assert fault["debuginfo"] is None
        assert fault["faultstring"]


def test_options_tells_what_is_possible(http):
    reply = http("OPTIONS", "/v1/nodes")
    assert reply.status == 200
    assert set(reply.headers["allow"].replace(" ", "").split(",")) == {
        "GET", "POST",
    }  # fmt: skip


def test_a_wrong_method_names_the_right_ones(http):
    assert "GET" in http("PUT", "/v1/nodes").headers["allow"]


def test_links_without_a_version_work(http, node):
    bookmark = node["links"][1]["href"].split("/", 3)[3]
    assert http("GET", f"/{bookmark}").json["uuid"] == node["uuid"]
