# SPDX-License-Identifier: Apache-2.0
"""What is repaired after a crash, for each state."""

from __future__ import annotations

import pytest

from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES
from baremetal_backend.core.takeover import recover

NOW = "2026-01-01T00:00:00+00:00"


def node(**values):
    return Node(uuid="u", driver="fake-hardware", **values)


@pytest.mark.parametrize("state", STATES)
def test_no_node_stays_in_a_state_that_a_dead_conductor_worked_on(state):
    row = STATES[state]
    found = recover(
        node(
            provision_state=state,
            target_provision_state=row.target,
            reservation="me",
        ),
        "me",
        NOW,
    )
    assert found.changes["reservation"] is None
    if row.on_takeover is None:
        assert "provision_state" not in found.changes
        assert not found.work_lost
        return
    assert STATES[found.changes["provision_state"]].stable
    assert found.changes["last_error"] == found.reason
    assert "Conductor me stopped" in found.reason
    assert f'"{state}"' in found.reason
    assert found.work_lost


@pytest.mark.parametrize("state", [s for s in STATES if STATES[s].stable])
def test_a_free_node_at_rest_is_left_alone(state):
    assert recover(node(provision_state=state), "me", NOW) is None


def test_a_power_change_under_way_is_given_up_and_said():
    found = recover(
        node(
            provision_state="active",
            target_power_state="power off",
            reservation="me",
        ),
        "me",
        NOW,
    )
    assert found.changes["target_power_state"] is None
    assert 'before "power off" was reached' in found.changes["last_error"]


def test_a_node_in_an_unknown_state_is_only_released():
    found = recover(
        node(provision_state="nirvana", reservation="me"), "me", NOW
    )
    assert found.changes == {"reservation": None}
