# SPDX-License-Identifier: Apache-2.0
"""What is repaired when a holder is gone, for each state."""

from __future__ import annotations

import pytest

from baremetal_backend.core.journey import TAKEOVERS
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, Kind, Takeover
from baremetal_backend.core.takeover import recover

NOW = "2026-01-01T00:00:00+00:00"
CAUSE = "Conductor two stopped"


def node(**values):
    return Node(uuid="u", driver="fake-hardware", **values)


def left_behind(state, **values):
    return node(
        provision_state=state,
        target_provision_state=STATES[state].target,
        reservation="two",
        **values,
    )


@pytest.mark.parametrize("state", STATES)
def test_each_state_follows_its_rule(state):
    rule = STATES[state].on_takeover
    found = recover(left_behind(state), CAUSE, NOW)
    assert found.changes["reservation"] is None
    assert found.again == (rule is Takeover.RESUME)
    assert found.work_lost == (rule is Takeover.FAIL)
    if rule is not Takeover.FAIL:
        assert "provision_state" not in found.changes
        return
    assert STATES[found.changes["provision_state"]].stable
    assert found.changes["last_error"] == found.reason
    assert found.reason.startswith("Conductor two stopped while")
    assert f'"{state}"' in found.reason


@pytest.mark.parametrize(
    "state", [s for s in STATES if STATES[s].kind is Kind.BUSY]
)
def test_a_busy_state_is_judged_even_when_nobody_has_the_node(state):
    free = node(
        provision_state=state, target_provision_state=STATES[state].target
    )
    found = recover(free, CAUSE, NOW)
    assert found.again or found.work_lost


@pytest.mark.parametrize(
    "state", [s for s in STATES if STATES[s].on_takeover is Takeover.RESUME]
)
def test_work_is_done_again_once_in_a_journey(state):
    second = left_behind(state, driver_internal_info={TAKEOVERS: 1})
    found = recover(second, CAUSE, NOW)
    assert (found.again, found.work_lost) == (False, True)
    assert found.changes["provision_state"] != state


@pytest.mark.parametrize(
    "state", [s for s in STATES if STATES[s].on_takeover is Takeover.RESUME]
)
def test_work_that_may_not_be_done_again_fails(state):
    found = recover(left_behind(state), CAUSE, NOW, may_resume=False)
    assert (found.again, found.work_lost) == (False, True)


@pytest.mark.parametrize(
    "state", [s for s in STATES if STATES[s].kind is not Kind.BUSY]
)
def test_a_free_node_that_nobody_works_on_is_left_alone(state):
    assert recover(node(provision_state=state), CAUSE, NOW) is None


def test_the_step_that_was_under_way_is_named():
    found = recover(
        left_behind(
            "cleaning",
            driver_internal_info={
                "clean_steps": [
                    {"interface": "deploy", "step": "erase", "priority": 10}
                ],
                "clean_step_index": 0,
            },
        ),
        CAUSE,
        NOW,
    )
    assert "erase" in found.changes["last_error"]


def test_a_power_change_under_way_is_given_up_and_said():
    found = recover(
        node(
            provision_state="active",
            target_power_state="power off",
            reservation="two",
        ),
        CAUSE,
        NOW,
    )
    assert found.changes["target_power_state"] is None
    assert 'before "power off" was reached' in found.changes["last_error"]


def test_a_node_in_an_unknown_state_is_only_released():
    found = recover(
        node(provision_state="nirvana", reservation="two"), CAUSE, NOW
    )
    assert found.changes == {"reservation": None}
