# SPDX-License-Identifier: Apache-2.0
"""Lookup and heartbeat, as a ramdisk asks."""

import pytest

from tests.backend.running import until

URL = "http://127.0.0.1:9999"
MAC = "52:54:00:aa:bb:01"


@pytest.fixture
def waiting(http, backend):
    """A node that waits for a heartbeat; it has a port."""
    node = backend.available_node(
        driver_info={"fake_deploy_wait": "heartbeat"}
    )["uuid"]
    port = http("POST", "/v1/ports", {"node_uuid": node, "address": MAC}).json[
        "uuid"
    ]
    http("PUT", f"/v1/nodes/{node}/states/provision", {"target": "active"})
    backend.state(node, "wait call-back")
    yield node
    http("DELETE", f"/v1/ports/{port}")
    http("PUT", f"/v1/nodes/{node}/maintenance", {"reason": "test"})
    http("DELETE", f"/v1/nodes/{node}")


def beat(http, node, **more):
    body = {"callback_url": URL, "agent_version": "9.1", **more}
    return http("POST", f"/v1/heartbeat/{node}", body)


def test_a_ramdisk_finds_its_node_and_lets_it_go_on(http, backend, waiting):
    for query in (f"addresses={MAC.upper()},zork", f"node_uuid={waiting}"):
        found = http("GET", f"/v1/lookup?{query}")
        assert found.status == 200, found.data
        assert found.json["node"]["uuid"] == waiting
        assert found.json["config"]["heartbeat_timeout"] == 300
        assert found.json["config"]["agent_token_required"] is True
        if "addresses" in query:
            token = found.json["config"]["agent_token"]
        else:
            assert found.json["config"]["agent_token"] == "******"
    reply = beat(http, waiting, agent_token=token)
    assert (reply.status, reply.data) == (202, b"")
    backend.state(waiting, "active")
    until(
        lambda: (
            http("GET", f"/v1/nodes/{waiting}").json["reservation"] is None
        ),
        10,
        "the node to be released",
    )


def test_only_nodes_on_their_way_are_found(http, backend):
    node = backend.node()["uuid"]
    assert http("GET", f"/v1/lookup?node_uuid={node}").status == 404
    assert http("GET", "/v1/lookup?addresses=52:54:00:00:00:99").status == 404
    assert http("GET", "/v1/lookup?addresses=zork").status == 404
    http("DELETE", f"/v1/nodes/{node}")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "addresses"),
        ("addresses=", "addresses"),
        ("node_uuid=zork", "node_uuid"),
        ("zork=1", "zork"),
        ("addresses=" + ",".join(["x"] * 300), "addresses"),
    ],
)
def test_a_lookup_that_makes_no_sense_is_refused_by_name(http, query, named):
    reply = http("GET", f"/v1/lookup?{query}")
    assert reply.status == 400
    assert named in reply.fault


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, "agent_token"),
        ({"agent_token": "wrong"}, "agent_token"),
        ({"agent_token": 1}, "agent_token"),
        ({"agent_token": "x", "callback_url": "file:///x"}, "callback_url"),
        ({"agent_token": "x", "callback_url": ""}, "callback_url"),
        ({"agent_token": "x", "zork": 1}, "zork"),
    ],
)
def test_a_heartbeat_that_proves_nothing_is_refused_by_name(
    http, waiting, more, named
):
    reply = beat(http, waiting, **more)
    assert reply.status == 400
    assert named in reply.fault
    shown = http("GET", f"/v1/nodes/{waiting}").json
    assert shown["provision_state"] == "wait call-back"


def test_nobody_reports_for_a_node_at_rest(http, backend):
    node = backend.node()["uuid"]
    assert beat(http, node, agent_token="x").status == 409
    http("DELETE", f"/v1/nodes/{node}")


def test_both_came_with_version_22(http):
    assert http("GET", "/v1/lookup", version="1.21").status == 404
    assert http("POST", "/v1/heartbeat/x", {}, version="1.21").status == 404
