# SPDX-License-Identifier: Apache-2.0
"""URLs of vendors' methods and of lamps, over HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture
def path(node):
    return f"/v1/nodes/{node['uuid']}"


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("form", ["?method=fly", "/fly"])
def test_hardware_without_methods_says_so(http, path, verb, form):
    reply = http(verb, f"{path}/vendor_passthru{form}")
    assert reply.status == 400
    assert "does not support vendor_passthru" in reply.fault


def test_a_method_has_to_be_named(http, path):
    reply = http("POST", f"{path}/vendor_passthru", {})
    assert reply.status == 400
    assert "method" in reply.fault


@pytest.mark.parametrize("body", [[], "x", 5])
def test_arguments_are_an_object(http, path, body):
    reply = http("POST", f"{path}/vendor_passthru?method=fly", body)
    assert reply.status == 400


def test_a_method_of_no_node_is_not_found(http):
    reply = http("POST", "/v1/nodes/nobody/vendor_passthru?method=fly", {})
    assert reply.status == 404


def test_methods_are_listed_also_when_there_are_none(http, path):
    reply = http("GET", f"{path}/vendor_passthru/methods")
    assert (reply.status, reply.json) == (200, {})


@pytest.mark.parametrize(
    "rest", ["", "/system", "/system/led", "/%2e%2e/led", "/a/b"]
)
def test_hardware_without_lamps_is_told_so(http, path, rest):
    reply = http("GET", f"{path}/management/indicators{rest}")
    assert reply.status == 400
    assert "does not support" in reply.fault


@pytest.mark.parametrize(
    "body", [{}, {"state": 1}, {"state": ""}, {"state": "ON", "x": 1}, []]
)
def test_a_state_is_a_word(http, path, body):
    url = f"{path}/management/indicators/system/led"
    assert http("PUT", url, body).status == 400


def test_lamps_came_with_a_version(http, path):
    url = f"{path}/management/indicators"
    assert http("GET", url, version="1.62").status == 404
