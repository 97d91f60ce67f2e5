# SPDX-License-Identifier: Apache-2.0
"""A node's place among its steps, and how a journey ends badly."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core import journey
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, InvalidEvent
from baremetal_backend.core.steps import STEP_KINDS, PlannedStep

NOW = "2026-01-01T00:00:00+00:00"
PLAN = (
    PlannedStep("power", "off"),
    PlannedStep("deploy", "erase", {"passes": 3}, 10),
)
KINDS = {row.steps: name for name, row in STATES.items() if row.steps}


def node(**values):
    return Node(uuid="u", driver="fake-hardware", **values)


def changed(one, changes):
    return dataclasses.replace(one, **changes)


def on_the_way(kind, index, state=None):
    one = node(
        provision_state=state or KINDS[kind],
        driver_internal_info={"kept": 1},
    )
    one = changed(one, journey.begun(one, kind, PLAN))
    if index is None:
        return one
    return changed(one, journey.at(one, kind, index))


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_a_node_shows_its_plan_and_the_present_step(kind):
    one = on_the_way(kind, None)
    assert journey.plan(one, kind) == PLAN
    assert journey.present(one) is None
    one = on_the_way(kind, 1)
    assert journey.index(one, kind) == 1
    assert journey.present(one) == PLAN[1]
    if kind != "verify":
        assert getattr(one, f"{kind}_step")["step"] == "erase"
        assert getattr(one, f"{kind}_step")["args"] == {"passes": 3}


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_a_plan_that_is_done_leaves_nothing_behind(kind):
    one = on_the_way(kind, 1)
    one = changed(one, journey.finished(one, kind))
    assert one.driver_internal_info == {"kept": 1}
    assert journey.present(one) is None
    assert journey.forgotten(one) == {}


def test_a_new_journey_forgets_the_last_one_and_its_takeovers():
    one = on_the_way("clean", 1)
    info = {**one.driver_internal_info, journey.TAKEOVERS: 1}
    one = changed(one, {"driver_internal_info": info})
    one = changed(one, journey.forgotten(one))
    assert one.driver_internal_info == {"kept": 1}
    assert one.clean_step == {}


def test_a_step_of_another_kind_is_not_the_present_one():
    one = on_the_way("clean", 1, state="deploying")
    assert journey.present(one) is None


@pytest.mark.parametrize(
    "internal",
    [
        {"clean_step_index": 0},
        {"clean_step_index": 7, "clean_steps": []},
        {"clean_step_index": "x", "clean_steps": [PLAN[0].shown()]},
        {"clean_step_index": -1, "clean_steps": [PLAN[0].shown()]},
    ],
)
def test_a_place_that_makes_no_sense_is_no_place(internal):
    one = node(provision_state="cleaning", driver_internal_info=internal)
    assert journey.present(one) is None


@pytest.mark.parametrize(
    "state", [name for name, row in STATES.items() if "fail" in row.events]
)
def test_a_failure_names_the_step_and_keeps_it_shown(state):
    kind = STATES[state].steps
    one = node(provision_state=state)
    if kind is not None:
        one = on_the_way(kind, 1, state)
    found = journey.failure(one, "Failed to x", "disk 3 is stuck", NOW)
    after = changed(one, found.changes)
    assert after.provision_state == STATES[state].events["fail"]
    assert after.last_error == found.error
    where = "step erase of interface deploy: " if kind else ""
    assert found.error == f"Failed to x: {where}disk 3 is stuck"
    assert not journey.plan(after, kind or "clean")
    if kind not in (None, "verify"):
        assert getattr(after, f"{kind}_step")["step"] == "erase"


def test_a_state_that_can_not_fail_is_not_failed():
    with pytest.raises(InvalidEvent):
        journey.failure(node(provision_state="active"), "x", "y", NOW)


def test_an_abort_waits_only_for_a_step_that_can_not_be_interrupted():
    one = on_the_way("clean", 1, "clean wait")
    later = changed(one, journey.abort_later(one))
    assert later.provision_state == "clean wait"
    assert not journey.abort_wanted(one, "clean")
    assert journey.abort_wanted(later, "clean")
    assert later.clean_step["step"] == "erase"
    held = changed(one, {"provision_state": "clean hold"})
    assert journey.abort_later(held) is None
    assert journey.abort_later(node(provision_state="inspect wait")) is None
    plan = (dataclasses.replace(PLAN[0], abortable=True),)
    free = changed(one, journey.begun(one, "clean", plan))
    free = changed(free, journey.at(free, "clean", 0))
    assert journey.abort_later(free) is None


def test_an_abort_says_where():
    one = on_the_way("clean", 1, "clean wait")
    after = changed(one, journey.aborted(one))
    assert after.last_error == (
        '"clean wait" was aborted by request at step erase of interface '
        "deploy."
    )
    assert after.driver_internal_info == {"kept": 1}
