# SPDX-License-Identifier: Apache-2.0
"""A conductor is killed while a real ironic-inspector has its nodes.

Its successor goes on from where it was: nothing is asked for twice, and no
result is lost.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from lab import conf_files
from lab.bare_metal_cluster import BareMetalCluster
from lab.inspection import ramdisk_reports
from lab.inspection.inspector import Inspector
from lab.inspection.ramdisk_reports import Hardware
from lab.processes import Crew
from lab.waiting import wait_for
from tests.functional.cluster.nodes import PATIENCE, Nodes

VICTIM = "conductor-2"


@pytest.fixture(scope="module")
def inspector(
    whole_cluster: BareMetalCluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Inspector]:
    """One that calls the first API process."""
    crew = Crew(tmp_path_factory.mktemp("inspector"))
    inspector = Inspector(crew, whole_cluster.api.url)
    inspector.start()
    yield inspector
    crew.stop()


@pytest.fixture(autouse=True)
def inspecting(
    cluster: BareMetalCluster, inspector: Inspector
) -> Iterator[None]:
    """All conductors use it; as before afterwards."""
    files = [
        cluster.state_dir / "baremetal" / f"{host}.conf"
        for host in cluster.conductors
    ]
    before = [file.read_text() for file in files]
    section = conf_files.render(
        {
            "discoverd": {
                "enabled": True,
                "service_url": inspector.service_url,
                "status_check_period": 1,
            }
        }
    )
    for file in files:
        file.write_text(f"{file.read_text()}\n{section}")
    restart(cluster)
    yield
    for file, text in zip(files, before, strict=True):
        file.write_text(text)
    restart(cluster)


def restart(cluster: BareMetalCluster) -> None:
    """All conductors read their files anew."""
    processes = cluster.conductors.values()
    for process in processes:
        if process.is_running:
            process.signal(signal.SIGTERM)
    for process in processes:
        process.wait_ended(PATIENCE)
        process.start()
    for process in processes:
        process.wait_ready()
    cluster.wait_alive(cluster.plan.conductors)


def machines_of(nodes: Nodes, count: int) -> dict[str, Hardware]:
    """Manageable nodes of the victim, and what they stand for."""
    found = dict(
        zip(
            nodes.on(VICTIM, count),
            ramdisk_reports.machines(range(1, count + 1)),
            strict=True,
        )
    )
    for uuid, hardware in found.items():
        changes = {
            "/driver_info/ipmi_address": hardware.bmc_address,
            "/inspect_interface": "discoverd",
        }
        reply = nodes.http(
            "PATCH",
            f"/v1/nodes/{uuid}",
            [
                {"op": "add", "path": path, "value": value}
                for path, value in changes.items()
            ],
        )
        assert reply.status == 200, reply.data
        nodes.bring(uuid, "manageable")
    return found


def test_a_successor_polls_on_and_asks_for_nothing_twice(
    cluster: BareMetalCluster, nodes: Nodes, inspector: Inspector
) -> None:
    machines = machines_of(nodes, 5)
    uuids = list(machines)
    booted, ended, fresh = uuids[:2], uuids[2:3], uuids[3:]
    for uuid in booted + ended:
        nodes.order(uuid, "inspect")
    for uuid in booted + ended:
        inspector.wait_state(uuid, "waiting")
        nodes.wait(uuid, "inspect wait")
    records = inspector.statuses()
    # What the victim has just begun, and what nobody has told it yet.
    for uuid in fresh:
        nodes.order(uuid, "inspect")
    cluster.conductors[VICTIM].kill()
    report(inspector, machines, ended)
    wait_for(
        lambda: all(
            nodes.show(uuid)["conductor"] not in (VICTIM, None)
            and nodes.state(uuid) != "inspecting"
            for uuid in uuids
        ),
        PATIENCE,
        "a successor for each node",
    )
    nodes.wait_all(ended, "manageable")
    for uuid in booted:
        assert nodes.state(uuid) == "inspect wait"
        assert inspector.status(uuid) == records[uuid]
    for uuid in fresh:
        if nodes.state(uuid) == "inspect failed":
            # It had the node itself.
            assert VICTIM in nodes.show(uuid)["last_error"]
            nodes.order(uuid, "inspect")
        inspector.wait_state(uuid, "waiting", seconds=PATIENCE)
    report(inspector, machines, booted + fresh)
    nodes.wait_all(uuids, "manageable")
    for uuid, hardware in machines.items():
        shown = nodes.show(uuid)
        assert shown["last_error"] is None
        found = hardware.expected_properties
        assert {key: shown["properties"][key] for key in found} == found
        reply = nodes.http("GET", f"/v1/nodes/{uuid}/inventory")
        assert reply.json["inventory"] == hardware.report()["inventory"]


def report(
    inspector: Inspector, machines: dict[str, Hardware], uuids: list[str]
) -> None:
    """Their ramdisks report, and are thanked."""
    reports = {uuid: machines[uuid].report() for uuid in uuids}
    for answer in ramdisk_reports.post_all(inspector, reports).values():
        assert answer.status == 200, answer
