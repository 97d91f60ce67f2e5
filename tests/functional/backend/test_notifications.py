# SPDX-License-Identifier: Apache-2.0
"""A process announces what it does, and does not need the broker for it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.backend.notifications.consumer import Consumer
from tests.backend.running import RunningBackend, free_port
from tests.databases import servers


@pytest.mark.timeout(180)
def test_a_deployment_is_announced_in_order(tmp_path):
    rabbit = servers.rabbitmq()
    backend = RunningBackend(
        tmp_path,
        DEFAULT={
            "notification_level": "info",
            "versioned_notifications_topics": "deployments",
        },
        oslo_messaging_notifications={"transport_url": rabbit.url},
    )
    consumer = Consumer(rabbit.url, "deployments")
    try:
        node = backend.available_node()
        path = f"/v1/nodes/{node['uuid']}"
        backend.http("PUT", f"{path}/maintenance", {"reason": "look"})
        backend.http("DELETE", f"{path}/maintenance")
        backend.http("PUT", f"{path}/states/provision", {"target": "active"})
        backend.state(node["uuid"], "active")
        events = [
            one["event_type"].removeprefix("baremetal.node.")
            for one in consumer.receive(9, seconds=60)
        ]
    finally:
        assert backend.stop() == 0
    assert events == [
        "create.end",
        "provision_set.start",
        "provision_set.end",
        "provision_set.start",
        "provision_set.end",
        "maintenance_set.end",
        "maintenance_set.end",
        "provision_set.start",
        "provision_set.end",
    ]


@pytest.mark.timeout(180)
def test_without_a_broker_the_service_works_and_stops(tmp_path):
    backend = RunningBackend(
        tmp_path,
        DEFAULT={"notification_level": "info"},
        oslo_messaging_notifications={
            "transport_url": f"rabbit://u:p@127.0.0.1:{free_port()}/"
        },
    )
    try:
        backend.available_node()
    finally:
        began = time.monotonic()
        assert backend.stop(timeout=30) == 0
    assert time.monotonic() - began < 20


def test_notifications_without_an_address_are_refused_at_the_start(tmp_path):
    conf = tmp_path / "backend.conf"
    conf.write_text(
        f"[DEFAULT]\nstate_path = {tmp_path}\nnotification_level = info\n"
        f"[api]\nport = {free_port()}\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "baremetal_backend.cmd.all_in_one",
            "--config-file",
            str(conf),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = (
        line
        for line in done.stderr.splitlines()
        if line.startswith("baremetal-backend:")
    )
    assert "[DEFAULT]notification_level" in line
