# SPDX-License-Identifier: Apache-2.0
"""Start and stop of the HTTP server."""

import contextlib
import http.client
import socket
import threading

import pytest

from baremetal_backend.api.server import ApiServer
from baremetal_backend.conf.settings import ApiSettings
from tests.backend.running import LOOPBACK


class Application:
    """Holds requests to /slow until it is told to let go."""

    def __init__(self):
        self.began = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            self.began.set()
            self.go_on.wait(10)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


@pytest.fixture
def application():
    return Application()


@pytest.fixture
def server(application):
    running = ApiServer(application, ApiSettings(port=0, threads=2))
    running.start()
    yield running
    application.go_on.set()
    running.stop(5)


def get(port, path, results):
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    connection.request("GET", path)
    results.append(connection.getresponse().read())
    connection.close()


def test_port_zero_is_any_free_port(server):
    results = []
    assert server.port > 0
    get(server.port, "/", results)
    assert results == [b"ok"]


def test_a_taken_port_is_an_error_at_start(server):
    other = ApiServer(lambda e, s: [], ApiSettings(port=server.port))
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.stop(1)


def test_a_request_that_runs_is_answered_before_the_server_leaves(
    server, application
):
    results = []
    client = threading.Thread(target=get, args=(server.port, "/slow", results))
    client.start()
    assert application.began.wait(10)
    stopping = threading.Thread(target=server.stop, args=(10,))
    stopping.start()
    stopping.join(0.5)
    assert stopping.is_alive()
    with pytest.raises(OSError):
        socket.create_connection((LOOPBACK, server.port), 1).close()
        get(server.port, "/", results)
    application.go_on.set()
    client.join(10)
    stopping.join(10)
    assert results == [b"ok"]
    assert not stopping.is_alive()


def test_a_request_that_hangs_is_abandoned_at_the_deadline(
    server, application
):
    results = []

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            get(server.port, "/slow", results)

    client = threading.Thread(target=ask)
    client.start()
    assert application.began.wait(10)
    stopping = threading.Thread(target=server.stop, args=(0.2,))
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    client.join(10)
    assert not client.is_alive()
    assert results == []


def test_stopping_twice_is_harmless(server):
    server.stop(1)
    server.stop(1)
