# SPDX-License-Identifier: Apache-2.0
"""Power states that are followed by a running service, over HTTP."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.backend.running import LOOPBACK, RunningBackend, free_port, until


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A service that asks every second, and shows its figures."""
    port = free_port()
    running = RunningBackend(
        tmp_path_factory.mktemp("quick"),
        conductor={"sync_power_state_interval": "1"},
        metrics={"host_ip": LOOPBACK, "port": str(port)},
    )
    running.metrics_port = port
    yield running
    running.stop()


def known(http, node: dict) -> dict:
    reply = http("GET", f"/v1/nodes/{node['uuid']}/states/power")
    assert reply.status == 200
    return dict(reply.json)


def test_a_node_at_rest_is_asked_again_and_again(quick):
    node = quick.available_node()
    until(lambda: known(quick.http, node)["source"] == "poll", 20, "an answer")
    first = known(quick.http, node)
    assert first["power_state"] == first["observed_state"] == "power off"
    assert first["not_polled_because"] is None
    assert first["consecutive_failures"] == 0
    until(
        lambda: known(quick.http, node)["observed_at"] > first["observed_at"],
        20,
        "another answer",
    )


def test_a_user_who_switches_is_believed_at_once(quick):
    node = quick.available_node()
    path = f"/v1/nodes/{node['uuid']}/states/power"
    assert quick.http("PUT", path, {"target": "power on"}).status == 202
    until(
        lambda: known(quick.http, node)["observed_state"] == "power on",
        20,
        "the new state",
    )
    # And nothing switches it back.
    until(lambda: known(quick.http, node)["source"] == "poll", 20, "a poll")
    shown = quick.http("GET", f"/v1/nodes/{node['uuid']}").json
    assert shown["power_state"] == "power on"
    assert shown["maintenance"] is False


def test_polls_write_nothing_while_nothing_changes(quick):
    node = quick.available_node()
    before = quick.http("GET", f"/v1/nodes/{node['uuid']}").json["updated_at"]
    seen = known(quick.http, node)["observed_at"] or ""
    until(
        lambda: (known(quick.http, node)["observed_at"] or "") > seen,
        20,
        "a poll",
    )
    after = quick.http("GET", f"/v1/nodes/{node['uuid']}").json["updated_at"]
    assert after == before


def test_a_node_that_is_not_managed_says_so(quick):
    node = quick.node()
    assert known(quick.http, node)["not_polled_because"] == 'it is "enroll"'


def test_a_conductor_shows_how_old_its_knowledge_is(quick):
    quick.available_node()
    path = "/v1/conductors/one/power"

    def all_are_known() -> bool:
        found = quick.http("GET", path).json
        return bool(found["polled"] and not found["never_observed"])

    until(all_are_known, 20, "answers of all nodes")
    found = quick.http("GET", path).json
    assert 0 <= found["age_p50"] <= found["age_p99"] <= found["age_max"] < 20
    assert found["compared"] >= found["polled"]
    assert found["errors"] == {}


def test_the_figures_are_for_prometheus_too(quick):
    quick.available_node()
    url = f"http://{LOOPBACK}:{quick.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        text = answer.read().decode()
    names = {one.name for one in text_string_to_metric_families(text)}
    prefix = "baremetal_backend_power_"
    assert {
        f"{prefix}state_age_seconds",
        f"{prefix}polls",
        f"{prefix}polls_in_flight",
        f"{prefix}errors",
        f"{prefix}actions",
        f"{prefix}overdue_nodes",
    } <= names


@pytest.mark.parametrize(
    "path",
    ["/v1/conductors/nobody/power", "/v1/nodes/nobody/states/power"],
)
def test_what_is_not_there_is_not_found(quick, path):
    assert quick.http("GET", path).status == 404


def test_an_older_client_does_not_see_conductors(quick):
    path = "/v1/conductors/one/power"
    assert quick.http("GET", path, version="1.48").status == 404


def test_a_service_that_does_not_ask_says_so(tmp_path: Path):
    running = RunningBackend(
        tmp_path, conductor={"sync_power_state_interval": "0"}
    )
    try:
        node = running.available_node()
        found = known(running.http, node)
        assert found["next_poll_at"] is None
        until(
            lambda: (
                "switched off"
                in known(running.http, node)["not_polled_because"]
            ),
            20,
            "the first look",
        )
    finally:
        assert running.stop() == 0
