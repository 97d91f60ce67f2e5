# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for hardware leave threads to all others."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from baremetal_backend.api import states
from baremetal_backend.api.call import Call, Services
from baremetal_backend.api.hardware_calls import Places
from baremetal_backend.core.errors import Unavailable
from tests.backend.running import RunningBackend

PATIENCE = 2.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A controller that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening


def test_half_of_the_threads_are_lent():
    places = Places(4)
    with places, places:
        with pytest.raises(Unavailable) as caught, places:
            pass
        assert caught.value.retry_after
    with places:
        pass


def test_a_server_with_one_thread_lends_it():
    with Places(1):
        pass


@pytest.mark.parametrize(
    ("state", "verb", "waits"),
    [
        ("inspect wait", "abort", True),
        ("clean wait", "abort", False),
        ("manageable", "abort", False),
        ("inspect wait", "manage", False),
    ],
)
def test_an_abort_waits_if_whoever_inspects_is_told(state, verb, waits):
    done = []
    nodes = SimpleNamespace(row=lambda ident, columns: (state,))
    places = Places(2)
    call = Call(
        services=Services(
            conductor=SimpleNamespace(
                do_provisioning_action=lambda *args: done.append(args)
            ),
            directory=None,
            storage=SimpleNamespace(nodes=nodes),
            max_limit=1000,
            ready=lambda: True,
            places=places,
        ),
        version=95,
        base="http://127.0.0.1",
        path="",
        query={},
        body={"target": verb},
    )
    with places, pytest.raises(Unavailable) if waits else nullcontext():
        states.provision(call, "n1")
    assert bool(done) != waits
    states.provision(call, "n1")
    assert done


def test_waiting_requests_don_t_stop_the_api(tmp_path, silent):
    port = silent.getsockname()[1]
    backend = RunningBackend(
        tmp_path,
        DEFAULT={"enabled_hardware_types": "ipmi"},
        api={"threads": "2"},
        ipmi={"command_retry_timeout": str(PATIENCE)},
    )
    try:
        http = backend.http
        reply = http(
            "POST",
            "/v1/nodes",
            {
                "driver": "ipmi",
                "driver_info": {
                    "ipmi_address": "127.0.0.1",
                    "ipmi_port": port,
                },
            },
        )
        assert reply.status == 201
        path = f"/v1/nodes/{reply.json['uuid']}/management/boot_device"
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(http, "GET", path)
            silent.recv(1500)
            refused = http("GET", path)
            began = time.monotonic()
            listed = http("GET", "/v1/nodes")
            took = time.monotonic() - began
            assert not waiting.done()
            assert refused.status == 503
            assert "wait for hardware" in refused.fault
            assert int(refused.headers["retry-after"]) > 0
            assert listed.status == 200
            assert took < PATIENCE
            failed = waiting.result(10 * PATIENCE)
            assert failed.status == 500
            assert f"127.0.0.1:{port}" in failed.fault
    finally:
        backend.stop()
