# SPDX-License-Identifier: Apache-2.0
"""The database or the broker goes away under load and comes back."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.bare_metal_cluster import BareMetalCluster, Plan
from tests.functional.cluster.conftest import BEATS
from tests.functional.cluster.nodes import Nodes

CLIENTS = 8
SECONDS = 8.0


class Load:
    """Clients that deploy and delete their own node, again and again."""

    def __init__(self, nodes: Nodes, uuids: list[str]) -> None:
        self._nodes = nodes
        self._uuids = uuids
        self._over = threading.Event()
        self.answers: Counter[int] = Counter()
        #: Node -> the verb that was accepted last.
        self.accepted: dict[str, str] = {}

    def run_while(self, fault: Callable[[], None]) -> None:
        """Let the fault happen in the middle of the load."""
        with ThreadPoolExecutor(len(self._uuids)) as pool:
            clients = [pool.submit(self._play, uuid) for uuid in self._uuids]
            try:
                time.sleep(SECONDS / 4)
                fault()
                time.sleep(SECONDS)
            finally:
                self._over.set()
            for client in clients:
                client.result(120)

    def _play(self, uuid: str) -> None:
        while not self._over.is_set():
            for verb in ("active", "deleted"):
                reply = self._nodes.ask(uuid, verb)
                self.answers[reply.status] += 1
                if reply.status == 202:
                    self.accepted[uuid] = verb
                time.sleep(0.2)


def check(nodes: Nodes, load: Load) -> None:
    """Everything ended, well or with a reason; all works again."""
    assert set(load.answers) <= {202, 400, 409, 503}, load.answers
    assert load.answers[202] > 0
    nodes.wait_quiet()
    for uuid in load.accepted:
        shown = nodes.show(uuid)
        if shown["provision_state"] not in ("available", "active"):
            assert shown["last_error"], shown
        if shown["provision_state"] == "clean failed":
            nodes.order(uuid, "manage")
            nodes.wait(uuid, "manageable")
            nodes.order(uuid, "provide")
        elif shown["provision_state"] != "available":
            nodes.order(uuid, "deleted")
        nodes.wait(uuid, "available")


@pytest.fixture
def load(nodes: Nodes) -> Load:
    """Load on nodes of all conductors."""
    return make_load(nodes)


@pytest.fixture(scope="module")
def on_mariadb(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BareMetalCluster]:
    """Two conductors and an API on MariaDB."""
    plan = Plan(
        conductors=("conductor-1", "conductor-2"),
        apis=1,
        database="mariadb",
        beats=BEATS,
    )
    directory = tmp_path_factory.mktemp("on-mariadb")
    with BareMetalCluster(plan, state_dir=directory) as cluster:
        cluster.start()
        yield cluster


def make_load(nodes: Nodes) -> Load:
    """Available nodes of each conductor, with operations of a second."""
    uuids = [
        uuid
        for conductor in nodes.cluster.plan.conductors
        for uuid in nodes.on(conductor, CLIENTS // 2)
    ]
    for uuid in uuids:
        nodes.bring(uuid, "available")
        nodes.script(uuid, deploy_delay=1, undeploy_delay=1)
    return Load(nodes, uuids)


def test_postgresql_restarted_under_load_loses_no_accepted_request(
    cluster: BareMetalCluster, nodes: Nodes, load: Load
) -> None:
    load.run_while(cluster.database.restart)
    check(nodes, load)


def test_mariadb_restarted_under_load_loses_no_accepted_request(
    on_mariadb: BareMetalCluster,
) -> None:
    nodes = Nodes(on_mariadb)
    load = make_load(nodes)
    load.run_while(on_mariadb.database.restart)
    check(nodes, load)
    assert on_mariadb.query("SELECT * FROM leases") == []


def test_a_broker_restarted_under_load_loses_no_accepted_request(
    cluster: BareMetalCluster, nodes: Nodes, load: Load
) -> None:
    load.run_while(cluster.rabbitmq.restart)
    check(nodes, load)
