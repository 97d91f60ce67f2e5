# SPDX-License-Identifier: Apache-2.0
"""What the next start makes of what a crash left."""

from __future__ import annotations

import pytest

from baremetal_backend.conductor.recovery import recover_nodes
from baremetal_backend.core.states import STATES
from tests.backend.conductor.conftest import NOW


def recover(world):
    return recover_nodes(world.storage, "me", lambda: NOW)


def test_after_recovery_no_node_is_busy_or_reserved(world):
    nodes = [
        world.node(
            state,
            target_provision_state=row.target,
            reservation=None if row.stable else "me",
        )
        for state, row in STATES.items()
    ]
    busy = sum(not row.stable for row in STATES.values())
    assert recover(world) == busy
    for node in nodes:
        seen = world.get(node)
        assert seen.reservation is None
        if STATES[node.provision_state].stable:
            assert seen == node
    assert recover(world) == 0


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        ("deploying", "deploy failed"),
        ("deleting", "error"),
        ("cleaning", "clean failed"),
        ("verifying", "enroll"),
        ("rescuing", "rescue failed"),
    ],
)
def test_lost_work_fails_the_node_and_says_so(world, state, failed):
    node = world.node(state, reservation="me")
    recover(world)
    seen = world.get(node)
    assert seen.provision_state == failed
    assert seen.last_error == (
        f'Conductor me stopped while the node was "{state}".'
    )
    (event,) = world.storage.history.page(node.uuid)
    assert (event.severity, event.event_type) == ("ERROR", "takeover")


def test_nodes_of_another_conductor_are_left_alone(world):
    node = world.node("deploying", reservation="other")
    assert recover(world) == 0
    assert world.get(node) == node
