# SPDX-License-Identifier: Apache-2.0
"""Two conductors with one name; a clock that jumps."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bare_metal_cluster import BareMetalCluster
from lab.stepped_clock import SteppedClock
from tests.functional.cluster.nodes import Nodes

DAY = 24 * 3600


def test_a_second_conductor_of_the_same_name_refuses_to_start(
    cluster: BareMetalCluster, nodes: Nodes
) -> None:
    uuid = nodes.on("conductor-1", 1)[0]
    second = cluster.declare("second", "conductor-1")
    second.start()
    assert second.wait_ended(30) == 1
    last = second.log_text().strip().splitlines()[-1]
    assert "[DEFAULT]host" in last
    assert "conductor-1" in last
    nodes.bring(uuid, "manageable")
    assert cluster.alive() == sorted(cluster.plan.conductors)


def test_a_killed_conductor_restarts_at_once_under_its_name(
    cluster: BareMetalCluster,
) -> None:
    process = cluster.conductors["conductor-1"]
    process.kill()
    process.start()
    process.wait_ready()
    seconds = re.findall(r"ready after ([\d.]+) s", process.log_text())[-1]
    assert float(seconds) < cluster.plan.beats.timeout


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_a_clock_that_jumps_a_day_fails_nothing(
    cluster: BareMetalCluster, nodes: Nodes, stepped: SteppedClock, step: int
) -> None:
    uuid = nodes.on("conductor-4", 1)[0]
    nodes.bring(uuid, "available")
    nodes.script(uuid, deploy_delay=3 * cluster.plan.beats.timeout)
    nodes.order(uuid, "active")
    events = len(nodes.history(uuid))
    stepped.step(step)
    everybody = sorted((*cluster.plan.conductors, "conductor-4"))
    while nodes.state(uuid) == "deploying":
        for api in cluster.apis:
            assert cluster.alive(api) == everybody
        time.sleep(0.5)
    assert nodes.state(uuid) == "active"
    (ended,) = nodes.history(uuid)[events:]
    assert '-> "active"' in ended["event"]


@pytest.fixture
def stepped(
    cluster: BareMetalCluster, tmp_path: Path
) -> Iterator[SteppedClock]:
    """The clock of a fourth conductor, which runs during the test."""
    clock = SteppedClock(tmp_path / "clock")
    name = f"stepped-{tmp_path.name}"
    process = cluster.declare(name, "conductor-4", clock)
    process.start()
    process.wait_ready()
    everybody = (*cluster.plan.conductors, "conductor-4")
    for api in cluster.apis:
        cluster.wait_alive(everybody, api)
    yield clock
    process.stop(grace=60)
    assert process.exit_status == 0
