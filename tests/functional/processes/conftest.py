# SPDX-License-Identifier: Apache-2.0
"""One small cloud of real processes for all tests of this folder.

RabbitMQ, MariaDB, placement, nova-conductor, the bare metal service and three
nova-compute on native threads. Every test leaves it as it found it: three
peers, and each free node with its owner by the ring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab.cloud import Cloud, Plan
from lab.compute import Compute
from lab.inspection.loop import Loop
from lab.invariants import ring_owners
from lab.nova import Timers
from lab.waiting import wait_for

HOSTS = ("c1", "c2", "c3")
GROUP = "rack-a"
SETTLE = 3
#: Death is noticed after 10 s, acted on 3 s and one resource tracker run
#: later. A busy machine may report late, so that 10 s is the least.
TIMERS = Timers(report=2, down=10, resources=4)
#: The longest that owners may take after any change.
SETTLED_WITHIN = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts processes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("processes")


def wait_settled(
    cloud: Cloud, nodes: Sequence[str], hosts: Sequence[str]
) -> None:
    """Wait until the ring of these hosts is in force for these nodes."""
    expected = ring_owners(nodes, hosts)

    def agrees() -> bool:
        owners = cloud.owners()
        return {node: owners.get(node) for node in nodes} == expected

    wait_for(agrees, SETTLED_WITHIN, f"agreement on {', '.join(hosts)}")


@pytest.fixture(scope="session")
def not_started(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cloud, Loop]]:
    """The cloud, and what it needs to inspect a machine; nothing runs yet."""
    plan = Plan(
        hosts=HOSTS,
        partition_key=GROUP,
        timers=TIMERS,
        settle_seconds=SETTLE,
    )
    with Cloud(plan, state_dir=tmp_path_factory.mktemp("lab")) as cloud:
        yield cloud, Loop(cloud.crew, cloud.backend)


@pytest.fixture(scope="session")
def cloud(not_started: tuple[Cloud, Loop]) -> Cloud:
    """The cloud; its computes run."""
    cloud = not_started[0]
    cloud.start()
    cloud.enrol_nodes(9, GROUP)
    cloud.start_computes()
    return cloud


@pytest.fixture(scope="session")
def nodes(cloud: Cloud) -> list[str]:
    """The nodes that the three computes share."""
    return [node.id for node in cloud.backend.nodes() if node.group == GROUP]


@pytest.fixture
def settled(cloud: Cloud, nodes: list[str]) -> Iterator[Cloud]:
    """The cloud in its first state, before and after the test."""
    wait_settled(cloud, nodes, HOSTS)
    yield cloud
    if not cloud.backend.process.is_running:
        cloud.backend.process.start()
        cloud.backend.process.wait_ready()
    for compute in map(cloud.compute, HOSTS):
        compute.conf.unlink(missing_ok=True)
        compute.write_config(peer_list=HOSTS, partition_key=GROUP)
        if compute.process.is_running:
            compute.sighup()
        else:
            compute.start()
    for compute in map(cloud.compute, HOSTS):
        compute.wait_ready()
    wait_settled(cloud, nodes, HOSTS)


@pytest.fixture
def c1(settled: Cloud) -> Compute:
    """The process that most tests are about."""
    return settled.compute("c1")
