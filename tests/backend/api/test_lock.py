# SPDX-License-Identifier: Apache-2.0
"""Locks and lanes, as an administrator sees them."""

from __future__ import annotations

import pytest

from tests.backend.running import until


def locked(backend, seconds=30):
    """A node whose power change takes a while."""
    node = backend.available_node()
    backend.http(
        "PATCH",
        f"/v1/nodes/{node['uuid']}",
        [
            {
                "op": "add",
                "path": "/driver_info/fake_power_delay",
                "value": seconds,
            }
        ],
    )
    reply = backend.http(
        "PUT",
        f"/v1/nodes/{node['uuid']}/states/power",
        {"target": "power on"},
    )
    assert reply.status == 202, reply.data
    return node["uuid"]


def test_a_free_node_has_no_lock(http, node):
    reply = http("GET", f"/v1/nodes/{node['uuid']}/lock")
    assert reply.status == 200
    assert reply.json["locked"] is False
    assert {v for k, v in reply.json.items() if k != "locked"} == {None}
    assert http("GET", "/v1/nodes/nobody/lock").status == 404


def test_a_lock_says_who_what_for_and_how_long(backend, http):
    node = locked(backend)
    shown = http("GET", f"/v1/nodes/{node}/lock").json
    assert shown["locked"] is True
    assert shown["holder"] == "one"
    assert shown["purpose"] == "power on"
    assert shown["lane"] == "operator"
    assert len(shown["incarnation"]) == 36
    assert shown["acquired_at"] < shown["expires_at"]
    assert 0 <= shown["seconds_held"] < 30
    assert shown["token"] > 0
    assert http("GET", f"/v1/nodes/{node}").json["reservation"] == "one"
    refused = http(
        "PUT", f"/v1/nodes/{node}/states/power", {"target": "power off"}
    )
    assert refused.status == 409
    assert refused.fault == (
        f"Node {node} is locked by host one, please retry after the current "
        "operation is completed. It is used for power on since "
        f"{shown['acquired_at']}."
    )
    path = f"/v1/nodes/{node}/lock?reason=test"
    assert http("DELETE", path).status == 204


def test_an_administrator_breaks_a_lock_with_a_reason(backend, http):
    node = locked(backend)
    token = http("GET", f"/v1/nodes/{node}/lock").json["token"]
    path = f"/v1/nodes/{node}/lock"
    assert http("DELETE", f"{path}?reason=x&token={token - 1}").status == 409
    broken = http("DELETE", f"{path}?reason=BMC%20replaced&token={token}")
    assert broken.status == 204
    assert broken.data == b""
    assert http("GET", path).json["locked"] is False
    shown = http("GET", f"/v1/nodes/{node}").json
    assert shown["reservation"] is None
    assert shown["target_power_state"] is None
    assert "BMC replaced" in shown["last_error"]
    history = http("GET", f"/v1/nodes/{node}/history?detail=true").json
    last = history["history"][-1]
    assert last["event_type"] == "lock"
    assert "BMC replaced" in last["event"]
    assert http("DELETE", f"{path}?reason=again").status == 404
    # The node is of use again.
    put = http(
        "PUT", f"/v1/nodes/{node}/states/provision", {"target": "manage"}
    )
    assert put.status == 202


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "reason"),
        ("?reason=", "reason"),
        ("?reason=%20%20", "reason"),
        ("?reason=a%0Ab", "reason"),
        ("?reason=" + "x" * 1025, "reason"),
        ("?reason=x&token=abc", "token"),
        ("?reason=x&token=-1", "token"),
        ("?reason=x&token=99999999999999999999999", "token"),
        ("?reason=x&force=1", "force"),
    ],
)
def test_a_lock_is_not_broken_by_mistake(backend, http, query, named):
    node = backend.node()["uuid"]
    reply = http("DELETE", f"/v1/nodes/{node}/lock{query}")
    assert reply.status == 400
    assert named in reply.fault
    http("DELETE", f"/v1/nodes/{node}")


def test_the_lanes_of_a_conductor_are_listed(backend, http):
    node = locked(backend, 5)

    def lanes():
        reply = http("GET", "/v1/conductors/one/lanes")
        assert reply.status == 200
        return {lane["name"]: lane for lane in reply.json["lanes"]}

    assert set(lanes()) == {"operator", "provisioning", "background"}
    until(lambda: lanes()["operator"]["paused"] >= 1, 5, "the pause")
    shown = lanes()["operator"]
    assert shown["size"] == 20
    assert shown["percent"] <= 100
    assert shown["retry_after"] >= 1
    assert shown["admitted"] >= 1
    assert http("GET", "/v1/conductors/nobody/lanes").status == 404
    assert (
        http("GET", "/v1/conductors/one/lanes", version="1.48").status == 404
    )
    http("DELETE", f"/v1/nodes/{node}/lock?reason=test")
