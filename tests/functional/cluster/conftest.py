# SPDX-License-Identifier: Apache-2.0
"""Three conductors and two API processes on a real broker and database.

Every test leaves the cluster as it found it: all conductors alive in the
eyes of both APIs, no node in an unstable state, no lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.bare_metal_cluster import BareMetalCluster, Beats, Plan
from tests.functional.cluster.nodes import Nodes

BEATS = Beats(interval=1, timeout=5)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts processes."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("processes")


@pytest.fixture(scope="session")
def whole_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BareMetalCluster]:
    """The cluster, started once."""
    plan = Plan(
        beats=BEATS,
        options={
            "DEFAULT": {
                "rpc_response_timeout": 20,
                "graceful_shutdown_timeout": 60,
                "enabled_hardware_types": "fake-hardware,ipmi",
            },
            "conductor": {"node_locked_retry_attempts": 1},
        },
    )
    directory = tmp_path_factory.mktemp("cluster")
    with BareMetalCluster(plan, state_dir=directory) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def cluster(whole_cluster: BareMetalCluster) -> Iterator[BareMetalCluster]:
    """The cluster at rest, before and after the test."""
    yield whole_cluster
    for process in whole_cluster.conductors.values():
        if not process.is_running:
            process.start()
    for process in whole_cluster.conductors.values():
        process.wait_ready()
    for api in whole_cluster.apis:
        whole_cluster.wait_alive(whole_cluster.plan.conductors, api)
    nodes = Nodes(whole_cluster)
    nodes.wait_quiet()
    assert whole_cluster.query("SELECT * FROM leases") == []


@pytest.fixture
def nodes(cluster: BareMetalCluster) -> Nodes:
    """What tests do with the nodes of the cluster."""
    return Nodes(cluster)
