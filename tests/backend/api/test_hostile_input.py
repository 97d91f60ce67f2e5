# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends: a 4xx that says why, and nothing changed."""

import json
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backend.running import LOOPBACK, until


@pytest.fixture
def nodes(http):
    """The nodes; afterwards they are as before."""
    before = http("GET", "/v1/nodes/detail").json
    yield before["nodes"]
    assert http("GET", "/v1/nodes/detail").json == before


BAD_JSON = [
    b"{bad", b"", b" ", b"\xff\xfe\x00", b'{"a":NaN}', b"[" * 100000,
    b'{"driver":"fake-hardware","driver":"fake-hardware"}',
    b'{"driver":"fake-hardware","extra":' + b'{"a":' * 100 + b"1"
    + b"}" * 101,
    b'{"driver":"fake-hardware","extra":{"a":1e999}}',
    b'{"driver":"fake-hardware","extra":{"a":"\\ud800"}}',
    b'{"driver":"fake-hardware","name":"a\\u0000"}',
    b'"x"', b"1", b"true", b"null",
]  # fmt: skip


@pytest.mark.parametrize("data", BAD_JSON)
@pytest.mark.parametrize(
    "where",
    [
        "POST /v1/nodes",
        "POST /v1/ports",
        "PATCH /v1/nodes/{node}",
        "PUT /v1/nodes/{node}/states/provision",
        "PUT /v1/nodes/{node}/states/power",
        "POST /v1/nodes/{node}/vifs",
        "PUT /v1/nodes/{node}/traits",
    ],
)
def test_bad_json_is_refused_and_changes_nothing(
    http, node, nodes, where, data
):
    method, path = where.format(node=node["uuid"]).split()
    reply = http(method, path, raw=data)
    assert reply.status == 400
    assert reply.fault


def test_another_content_type_is_refused(http, nodes):
    body = b'{"driver": "fake-hardware"}'
    for kind in ("text/plain", "application/xml", "multipart/form-data",
                 "application/x-www-form-urlencoded"):  # fmt: skip
        reply = http("POST", "/v1/nodes", raw=body, Content_Type=kind)
        assert reply.status == 415
        assert "Content-Type" in reply.fault


def test_a_charset_is_no_other_content_type(http, backend):
    reply = http(
        "POST",
        "/v1/nodes",
        raw=b'{"driver": "fake-hardware"}',
        Content_Type="application/json; charset=UTF-8",
    )
    assert reply.status == 201


def test_a_body_where_none_belongs_is_refused(http, node, nodes):
    path = f"/v1/nodes/{node['uuid']}"
    for method in ("GET", "DELETE"):
        assert http(method, path, {"a": 1}).status == 400
    assert http("GET", path, {}).status == 200


def test_an_oversized_body_is_refused(http, node, nodes):
    path = f"/v1/nodes/{node['uuid']}"
    big = b'{"driver":"fake-hardware","extra":{"a":"%s"}}' % (b"x" * 2**21)
    patch = b'[{"op":"add","path":"/extra/a","value":"%s"}]' % (b"x" * 2**21)
    for method, where, data in (
        ("POST", "/v1/nodes", big),
        ("PATCH", path, patch),
        ("PUT", f"{path}/traits", big),
        ("PUT", f"{path}/states/power", big),
    ):
        reply = http(method, where, raw=data)
        assert reply.status == 413
        assert "body" in reply.fault


def test_a_config_drive_may_be_larger_than_other_bodies(http, node, nodes):
    body = {"target": "active", "configdrive": "A" * 2**21}
    path = f"/v1/nodes/{node['uuid']}/states/provision"
    reply = http("PUT", path, body)
    assert reply.status == 400
    assert '"enroll"' in reply.fault


def test_too_many_patch_operations_are_refused(http, node, nodes):
    many = [{"op": "add", "path": "/extra/a", "value": 1}] * 501
    reply = http("PATCH", f"/v1/nodes/{node['uuid']}", many)
    assert reply.status == 400
    assert "too long" in reply.fault


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE nodes; --", "{{7*7}}", "%n%s", "../../etc/passwd",
     "<script>alert(1)</script>", "\u202eabc", "a\u0301", "🐻" * 60,
     '"}], "next": "x', "%(driver)s", "{driver}", "\\u0041", "\\"],
)  # fmt: skip
def test_text_is_kept_as_it_is_and_means_nothing(http, backend, text):
    node = backend.node(owner=text, extra={text: text}, description=text)
    assert node["owner"] == text
    assert node["extra"] == {text: text}
    path = f"/v1/nodes?fields=owner,extra,description&owner={_quoted(text)}"
    (found,) = http("GET", path).json["nodes"]
    assert found["description"] == text
    http("DELETE", f"/v1/nodes/{node['uuid']}")


def _quoted(text):
    from urllib.parse import quote

    return quote(text, safe="")


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["driver", "name", "uuid", "extra", "target", "id", "op", "path",
             "value", "traits", "enabled", "boot_device", "reason", "x"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=_ANY, data=st.data())
def test_no_body_makes_the_service_fail(http, node, body, data):
    method, path = data.draw(
        st.sampled_from(
            [
                ("POST", "/v1/nodes"),
                ("POST", "/v1/ports"),
                ("POST", "/v1/portgroups"),
                ("POST", "/v1/chassis"),
                ("PATCH", f"/v1/nodes/{node['uuid']}"),
                ("PUT", f"/v1/nodes/{node['uuid']}/states/power"),
                ("PUT", f"/v1/nodes/{node['uuid']}/states/provision"),
                ("PUT", f"/v1/nodes/{node['uuid']}/states/raid"),
                ("PUT", f"/v1/nodes/{node['uuid']}/traits"),
                ("PUT", f"/v1/nodes/{node['uuid']}/maintenance"),
                ("POST", f"/v1/nodes/{node['uuid']}/vifs"),
            ]
        )
    )
    assert http(method, path, body).status < 500


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["fields", "limit", "marker", "sort_key", "sort_dir", "shard",
                 "owner", "maintenance", "provision_state", "parent_node",
                 "conductor", "detail", "description_contains", "zork"]
            ),
            st.text(max_size=10),
        ),
        max_size=4,
    )
)  # fmt: skip
def test_no_query_makes_the_service_fail(http, pairs):
    query = "&".join(
        f"{k}={_quoted(v.encode('utf-8', 'surrogatepass').decode('latin-1'))}"
        for k, v in pairs
    )
    assert http("GET", f"/v1/nodes?{query}").status < 500


def exchange(port, data, timeout=10.0):
    """Send bytes, read until the server closes or falls silent."""
    with socket.create_connection((LOOPBACK, port), timeout) as sock:
        sock.sendall(data)
        sock.settimeout(timeout)
        received = b""
        try:
            while part := sock.recv(65536):
                received += part
                if b"\r\n\r\n" in received and b'"error_message"' in received:
                    break
        except TimeoutError:
            pass
        return received


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"ZORK\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /v1/nodes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
         b"Content-Length: 6\r\n\r\n{}   ", 400),
        (b"POST /v1/nodes HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999"
         b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100000 + b"\r\n\r\n",
         431),
    ],
)  # fmt: skip
def test_broken_http_is_refused_in_the_form_that_clients_parse(
    backend, request_bytes, status
):
    received = exchange(backend.port, request_bytes)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.") and f" {status} ".encode() in head[:16]
    assert json.loads(json.loads(body)["error_message"])["faultstring"]


def test_a_request_cannot_be_smuggled_behind_another(http, backend, nodes):
    smuggled = (
        b"POST /v1/nodes HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
        b"0\r\n\r\nDELETE /v1/nodes/x HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    received = exchange(backend.port, smuggled, timeout=3)
    assert b" 204 " not in received
    assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))


def test_slow_clients_do_not_keep_others_waiting(http, backend):
    held = []
    for _ in range(100):
        sock = socket.create_connection((LOOPBACK, backend.port), 5)
        sock.sendall(b"PUT /v1/nodes/x/states/power HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: 100\r\n\r\n{")  # fmt: skip
        held.append(sock)
    try:
        began = time.monotonic()
        for _ in range(5):
            assert http("GET", "/v1/nodes?limit=1").status == 200
        assert time.monotonic() - began < 5
    finally:
        for sock in held:
            sock.close()


def test_a_client_that_does_not_read_keeps_nobody_waiting(http, backend):
    for _ in range(3):
        backend.node(extra={"a": "x" * 200000})
    held = []
    for _ in range(30):
        sock = socket.create_connection((LOOPBACK, backend.port), 5)
        sock.sendall(b"GET /v1/nodes/detail HTTP/1.1\r\nHost: a\r\n\r\n")
        held.append(sock)
    try:
        until(lambda: http("GET", "/v1").status == 200, 10, "an answer")
    finally:
        for sock in held:
            sock.close()
