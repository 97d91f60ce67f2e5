# SPDX-License-Identifier: Apache-2.0
"""Fifty clients race verbs on one node: each wins or is told why not."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from lab.bare_metal_cluster import BareMetalCluster
from tests.functional.cluster.nodes import Nodes

CLIENTS = 50


def test_of_fifty_deployments_of_one_node_one_is_accepted(
    cluster: BareMetalCluster, nodes: Nodes
) -> None:
    uuid = nodes.on("conductor-1", 1)[0]
    nodes.bring(uuid, "available")
    nodes.script(uuid, deploy_delay=5)
    gate = threading.Barrier(CLIENTS)

    def deploy(_number: int) -> int:
        gate.wait(30)
        return nodes.ask(uuid, "active").status

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = Counter(pool.map(deploy, range(CLIENTS)))
    assert answers[202] == 1
    # Not possible in "deploying", or in use: as Ironic answers.
    assert answers[400] + answers[409] == CLIENTS - 1
    nodes.wait(uuid, "active")
    begun = [
        event
        for event in nodes.history(uuid)
        if '-> "deploying"' in event["event"]
    ]
    assert len(begun) == 1


def test_mixed_verbs_at_once_are_carried_out_one_after_the_other(
    cluster: BareMetalCluster, nodes: Nodes
) -> None:
    uuid = nodes.on("conductor-3", 1)[0]
    nodes.bring(uuid, "manageable")
    verbs = ("provide", "inspect", "clean", "manage", "active", "deleted")
    gate = threading.Barrier(CLIENTS)

    def ask(number: int) -> tuple[str, int]:
        verb = verbs[number % len(verbs)]
        gate.wait(30)
        return verb, nodes.ask(uuid, verb).status

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    assert {status for _, status in answers} <= {202, 400, 409}
    nodes.wait_quiet()
    accepted = sum(status == 202 for _, status in answers)
    assert accepted >= 1
    # Each accepted request is one departure from a stable state.
    events = [event["event"] for event in nodes.history(uuid)]
    first_arrival = next(
        number
        for number, text in enumerate(events)
        if '-> "manageable"' in text
    )
    departures = [
        text
        for text in events[first_arrival + 1 :]
        if text.startswith(
            ('"manageable" ->', '"available" ->', '"active" ->')
        )
    ]
    assert len(departures) == accepted
