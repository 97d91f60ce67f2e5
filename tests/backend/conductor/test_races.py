# SPDX-License-Identifier: Apache-2.0
"""Many clients want the same node; on each database one of them gets it."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from baremetal_backend.core.errors import BackendError
from tests.databases.lending import KINDS

CLIENTS = 50


@pytest.fixture(params=KINDS)
def kind(request):
    """These tests run on each kind of database."""
    return request.param


def race(requests):
    """Make all requests at the same time; what became of each."""
    gate = threading.Barrier(len(requests), timeout=30)
    results = []

    def ask(request):
        gate.wait()
        try:
            request()
            results.append("accepted")
        except BackendError as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=ask, args=(r,)) for r in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(requests)
    return Counter(results)


@pytest.mark.timeout(120)
def test_of_fifty_clients_with_the_same_verb_one_is_accepted(world):
    world.set_conductor(node_locked_retry_attempts=0)
    node = world.node(driver_info={"fake_verify_delay": 60})
    results = race(
        [
            lambda: world.conductor.do_provisioning_action(node.uuid, "manage")
            for _ in range(CLIENTS)
        ]
    )
    assert results.pop("accepted") == 1
    refusals = {"NodeLocked", "InvalidStateRequested", "NoFreeWorker"}
    assert set(results) <= refusals
    world.timer.wait_for_pause()
    world.timer.pass_time()
    world.idle()
    after = world.get(node)
    assert (after.provision_state, after.reservation) == ("manageable", None)
    assert world.storage.leases.of_node(node.uuid) is None
    told = world.history(node)
    assert len(told) == len(set(told)) == 2


@pytest.mark.timeout(120)
def test_each_accepted_request_of_a_mixed_crowd_is_carried_out_once(world):
    world.set_conductor(node_locked_retry_attempts=0)
    node = world.node("manageable")
    verbs = ("provide", "inspect", "clean", "adopt", "manage")

    def request(number):
        verb = verbs[number % len(verbs)]
        return lambda: world.conductor.do_provisioning_action(node.uuid, verb)

    results = race([request(number) for number in range(CLIENTS)])
    world.idle()
    assert results["accepted"] >= 1
    after = world.get(node)
    assert after.reservation is None
    assert after.provision_state in ("available", "manageable", "active")
    assert world.storage.leases.of_node(node.uuid) is None
