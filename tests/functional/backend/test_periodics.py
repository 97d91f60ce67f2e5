# SPDX-License-Identifier: Apache-2.0
"""Periodic tasks of a real process: SIGHUP, figures, the end."""

from __future__ import annotations

import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.running import LOOPBACK, RunningBackend, free_port, until

TASK = "deploy.fake.poll"


class Service:
    """A backend whose configuration can be edited."""

    def __init__(self, directory: Path) -> None:
        self.metrics_port = free_port()
        self.backend = RunningBackend(
            directory,
            fake={"poll_interval": "3600"},
            metrics={"host_ip": LOOPBACK, "port": str(self.metrics_port)},
        )
        self._conf = directory / "backend.conf"

    def reload(self, interval: str) -> None:
        text = self._conf.read_text()
        self._conf.write_text(
            re.sub("poll_interval = .*", f"poll_interval = {interval}", text)
        )
        os.kill(self.backend.process.pid, signal.SIGHUP)

    def task(self) -> dict:
        reply = self.backend.http("GET", "/v1/conductors/one/periodics")
        assert reply.status == 200, reply.data
        found = {one["name"]: one for one in reply.json["periodics"]}
        return dict(found[TASK])

    def errors(self) -> list[str]:
        return [
            line
            for line in self.backend.log.read_text().splitlines()
            if " ERROR " in line
        ]

    def figure(self, name: str) -> float:
        url = f"http://{LOOPBACK}:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read().decode()
        found = re.search(
            rf'^baremetal_backend_{name}{{task="{TASK}"}} (\S+)$', text, re.M
        )
        assert found, text
        return float(found[1])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.backend.stop()


def test_sighup_changes_the_spacing_of_a_running_service(
    service: Service,
) -> None:
    assert service.task()["spacing"] == 3600
    assert service.task()["runs"] == 0
    service.reload("0.1")
    until(lambda: service.task()["runs"] >= 3, 20, "three runs")
    seen = service.task()
    assert seen["spacing"] == 0.1
    assert seen["failures"] == 0
    assert seen["last_report"]["looked_at"] == 0
    assert service.figure("periodic_runs_total") >= 3
    assert service.figure("periodic_spacing_seconds") == 0.1


def test_a_bad_spacing_is_refused_and_the_task_runs_on(
    service: Service,
) -> None:
    service.reload("0.1")
    until(lambda: service.task()["runs"] >= 1, 20, "a run")
    service.reload("often")
    until(lambda: bool(service.errors()), 20, "an error")
    (error,) = service.errors()
    assert "poll_interval" in error
    before = service.task()["runs"]
    until(lambda: service.task()["runs"] > before, 20, "another run")
    assert service.task()["spacing"] == 0.1


def test_the_process_ends_while_tasks_run(service: Service) -> None:
    service.reload("0.1")
    until(lambda: service.task()["runs"] >= 1, 20, "a run")
    assert service.backend.stop() == 0
    assert service.errors() == []
