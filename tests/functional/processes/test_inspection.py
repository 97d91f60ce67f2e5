# SPDX-License-Identifier: Apache-2.0
"""A real machine inspects itself, and Nova's scheduler gives it a server.

All parts are real: our service, ironic-inspector, the controller (ipmi_sim),
the machine (qemu), nova-scheduler, nova-conductor and a nova-compute with the
plugin. ``./tools/demo --inspection`` plays the same with nova's API.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from lab.cloud import Cloud
from lab.inspection import story
from lab.inspection.loop import Loop
from lab.screen import Screen
from lab.waiting import wait_for

HOST = "c-inspected"
SERVER = "on-an-inspected-machine"
SECONDS = 120.0


@pytest.fixture(scope="module")
def loop(cloud: Cloud, not_started: tuple[Cloud, Loop]) -> Iterator[Loop]:
    """Inspector and controller run; the machine is off."""
    loop = not_started[1]
    loop.start()
    yield loop
    loop.inspector.stop()


@pytest.fixture(scope="module")
def scheduling(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud with a scheduler, and a compute for the node's own group."""
    compute = cloud.add_compute(HOST)
    compute.write_config(peer_list=[HOST], partition_key=story.GROUP)
    cloud.nova.scheduler.start()
    compute.start()
    cloud.nova.scheduler.wait_ready()
    compute.wait_ready()
    cloud.nova.discover_hosts()
    yield cloud
    compute.process.stop()
    cloud.nova.scheduler.stop()


def server(cloud: Cloud) -> dict[str, Any] | None:
    """What the cell has of the server; None: no host was chosen yet."""
    rows = cloud.nova.query(
        "SELECT uuid, vm_state, task_state, node, host FROM instances"
        " WHERE display_name = %s AND deleted = 0",
        (SERVER,),
    )
    return rows[0] if rows else None


def has_ended(cloud: Cloud) -> dict[str, Any] | None:
    """The same once nothing is under way any more."""
    found = server(cloud)
    if found is None or found["vm_state"] == "building":
        return None
    return found


@pytest.mark.timeout(600)
def test_a_machine_that_inspects_itself_gets_a_server(
    loop: Loop, scheduling: Cloud
) -> None:
    screen = io.StringIO()
    inspection = story.Inspection(loop, Screen(screen))

    inspection.enrol()
    inspection.inspect()
    inspection.compare()

    assert "machine: reporting to http://10.0.2.2:" in screen.getvalue()
    loop.order("provide")
    loop.wait_state("available", SECONDS)
    offered = scheduling.placement.candidates
    wait_for(
        lambda: offered(story.RESOURCE_CLASS.upper()), SECONDS, "candidate"
    )
    scheduling.nova.order_server(SERVER, story.RESOURCE_CLASS)
    found = wait_for(lambda: has_ended(scheduling), SECONDS, "server")
    assert found is not None
    assert (found["vm_state"], found["node"], found["host"]) == (
        "active",
        loop.uuid,
        HOST,
    )
    assert loop.node.instance_id == found["uuid"]
    story.check_server(loop)
    loop.order("deleted")
    loop.wait_state("available", SECONDS)
    loop.machine.wait_off()
