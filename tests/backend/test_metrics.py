# SPDX-License-Identifier: Apache-2.0
"""The figures of a process, as Prometheus reads them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from baremetal_backend.conductor import lane_figures
from baremetal_backend.conductor.periodic.collect import Found
from baremetal_backend.conductor.periodic.figures import figures
from baremetal_backend.conductor.periodic.statistics import (
    Outcome,
    Statistics,
)
from baremetal_backend.conductor.workers import make_lanes
from baremetal_backend.conf.settings import (
    ConductorSettings,
    ConfigurationError,
    MetricsSettings,
)
from baremetal_backend.core.figures import Figure
from baremetal_backend.core.schedule import Plan, start
from baremetal_backend.drivers.periodics import PeriodicTask
from baremetal_backend.metrics import Metrics

LOOPBACK = "127.0.0.1"


@pytest.fixture
def metrics():
    made = Metrics(MetricsSettings(LOOPBACK, 0))
    yield made
    made.stop()


def scraped(metrics: Metrics) -> dict[str, dict[tuple, float]]:
    """Sample name to label values, in the order of labels, to value."""
    url = f"http://{LOOPBACK}:{metrics.port}/metrics"
    with urllib.request.urlopen(url, timeout=20) as answer:
        text = answer.read().decode()
    found: dict[str, dict[tuple, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values = tuple(v for _, v in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[values] = sample.value
    return found


def test_periodic_tasks_are_shown(metrics):
    statistics = Statistics(lambda: 1.8e9, lambda: 0.0)
    for name in ("poll", "idle"):
        found = Found((name, 0), name, PeriodicTask(30), print)
        statistics.planned(found, start(Plan(30.0), 0.0, 0.0))
    statistics.began(("poll", 0), 0.25)
    report = {"looked_at": 9, "acted": 2, "skipped": 1, "failed": 3}
    statistics.ended(("poll", 0), Outcome(1.5, "it broke", report))
    metrics.add(figures(statistics))
    metrics.start()
    seen = scraped(metrics)
    prefix = "baremetal_backend_periodic_"
    assert seen[prefix + "runs_total"] == {("poll",): 1, ("idle",): 0}
    assert seen[prefix + "failures_total"][("poll",)] == 1
    assert seen[prefix + "consecutive_failures"][("poll",)] == 1
    assert seen[prefix + "lag_seconds"] == {("poll",): 0.25}
    assert seen[prefix + "last_run_seconds"] == {("poll",): 1.5}
    assert seen[prefix + "spacing_seconds"][("idle",)] == 30
    assert seen[prefix + "enabled"][("idle",)] == 1
    assert seen[prefix + "nodes"] == {
        ("looked_at", "poll"): 9,
        ("acted", "poll"): 2,
        ("skipped", "poll"): 1,
        ("failed", "poll"): 3,
    }


def test_the_process_itself_is_shown(metrics):
    metrics.start()
    assert scraped(metrics)["process_resident_memory_bytes"][()] > 0


def test_a_source_that_is_added_later_is_shown(metrics):
    metrics.start()
    metrics.add(
        lambda: [Figure("depth", "How deep.", "gauge", (), (((), 7),))]
    )
    assert scraped(metrics)["baremetal_backend_depth"] == {(): 7}


def test_an_address_that_is_taken_is_said_with_the_options():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigurationError,
            match=re.escape(
                f"[metrics]host_ip, [metrics]port: can't listen on {LOOPBACK}:"
                f"{port}: "
            ),
        ):
            Metrics(MetricsSettings(LOOPBACK, port)).start()


def test_without_an_address_nothing_is_shown_and_nothing_is_loaded():
    script = (
        "import sys\n"
        "from baremetal_backend.metrics import Metrics\n"
        "from baremetal_backend.conf.settings import MetricsSettings\n"
        "metrics = Metrics(MetricsSettings())\n"
        "metrics.start(); metrics.stop()\n"
        "print(metrics.port, 'prometheus_client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["None", "False"]


def test_lanes_are_shown(metrics):
    lanes = make_lanes(ConductorSettings(operator_workers=5))
    metrics.add(lane_figures.figures(lanes))
    metrics.start()
    with lanes.operator.place():
        seen = scraped(metrics)
    lanes.stop()
    prefix = "baremetal_backend_lane_"
    assert seen[prefix + "size"][("operator",)] == 5
    assert seen[prefix + "busy"] == {
        ("operator",): 1,
        ("provisioning",): 0,
        ("background",): 0,
    }
    assert seen[prefix + "admitted_total"][("operator",)] == 1
