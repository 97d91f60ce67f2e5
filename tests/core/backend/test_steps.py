# SPDX-License-Identifier: Apache-2.0
"""Which steps are run, in which order, and which requests are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import INTERFACES
from baremetal_backend.core.steps import (
    ORDER,
    RESERVED,
    Argument,
    PlannedStep,
    Step,
    automated,
    merged,
    requested,
    with_priorities,
)

PATTERN = {
    "pattern": Argument("What to write.", required=True),
    "passes": Argument("How often."),
}


def offers(**priorities):
    """``interface__step=priority``."""
    found = {}
    for name, priority in priorities.items():
        interface, _, step = name.partition("__")
        found[interface, step] = Step("clean", step, priority=priority)
    return found


OFFERS = {
    ("deploy", "erase"): Step("clean", "erase", priority=10, abortable=True),
    ("raid", "build"): Step("clean", "build", requires_ramdisk=True),
    ("bios", "write"): Step("clean", "write", argsinfo=PATTERN),
}


def names(plan):
    return [f"{step.interface}.{step.name}" for step in plan]


def test_automated_steps_are_those_with_a_priority_the_highest_first():
    plan = automated(offers(raid__a=0, bios__b=5, deploy__c=90, raid__d=20))
    assert names(plan) == ["deploy.c", "raid.d", "bios.b"]


def test_equal_priorities_go_by_interface_and_then_by_name():
    plan = automated(
        offers(raid__a=1, deploy__z=1, deploy__y=1, power__b=1, bios__c=1)
    )
    assert names(plan) == [
        "power.b",
        "bios.c",
        "deploy.y",
        "deploy.z",
        "raid.a",
    ]


def test_every_interface_has_a_place_in_the_order():
    assert sorted(ORDER) == sorted(INTERFACES)


def test_requested_steps_keep_the_order_of_the_request():
    asked = [
        {"interface": "raid", "step": "build"},
        {"interface": "bios", "step": "write", "args": {"pattern": "00"}},
        {"interface": "deploy", "step": "erase"},
        {"interface": "raid", "step": "build"},
    ]
    plan = requested("clean", OFFERS, asked)
    assert names(plan) == [
        "raid.build",
        "bios.write",
        "deploy.erase",
        "raid.build",
    ]
    assert plan[1].args == {"pattern": "00"}
    assert [step.abortable for step in plan] == [False, False, True, False]


@pytest.mark.parametrize(
    ("interface", "step", "args", "told"),
    [
        ("deploy", "explode", {}, "deploy.erase"),
        ("raid", "erase", {}, "does not have it"),
        ("nothing", "erase", {}, "no such interface"),
        ("bios", "write", {}, '"pattern" is required: What to write.'),
        ("bios", "write", {"pattern": None}, '"pattern" is required'),
        ("bios", "write", {"pattern": 1, "x": 1}, '"x" is not known'),
        ("bios", "write", [1], "args must be an object"),
        ("deploy", "erase", {"x": 1}, "it takes: none"),
        ("power", "wait", {}, '"seconds" is required'),
        ("power", "wait", {"seconds": -1}, '"seconds" must be'),
        ("power", "wait", {"seconds": True}, '"seconds" must be'),
        ("power", "wait", {"seconds": "5"}, '"seconds" must be'),
        ("power", "wait", {"seconds": float("nan")}, '"seconds" must be'),
        ("power", "reboot", {"hard": 1}, '"hard" is not known'),
    ],
)
def test_a_refusal_names_the_step_and_what_is_wrong(
    interface, step, args, told
):
    asked = [{"interface": interface, "step": step, "args": args}]
    with pytest.raises(InvalidParameterValue) as caught:
        requested("clean", OFFERS, asked)
    assert f"step {step} of interface {interface}" in caught.value.message
    assert told in caught.value.message
    assert caught.value.status == 400


def test_a_step_that_needs_a_ramdisk_is_refused_without_one():
    asked = [{"interface": "raid", "step": "build"}]
    assert requested("clean", OFFERS, asked)
    with pytest.raises(InvalidParameterValue, match="disable_ramdisk"):
        requested("clean", OFFERS, asked, disable_ramdisk=True)


def test_child_nodes_are_refused_and_not_forgotten():
    asked = [
        {
            "interface": "deploy",
            "step": "erase",
            "execute_on_child_nodes": True,
        }
    ]
    with pytest.raises(InvalidParameterValue, match="execute_on_child_nodes"):
        requested("clean", OFFERS, asked)


@pytest.mark.parametrize("name", RESERVED)
def test_every_node_has_the_reserved_steps(name):
    args = {"seconds": 3} if name == "wait" else {}
    asked = [{"interface": "power", "step": name, "args": args}]
    (step,) = requested("service", {}, asked)
    assert step.reserved
    assert step.abortable


def test_a_deployments_steps_are_its_own_and_the_requests_by_priority():
    own = offers(deploy__deploy=100, deploy__boot=20, raid__build=0)
    plan = merged(
        own,
        [
            {"interface": "raid", "step": "build", "priority": 110},
            {"interface": "power", "step": "reboot", "priority": 50},
        ],
    )
    assert names(plan) == [
        "raid.build",
        "deploy.deploy",
        "power.reboot",
        "deploy.boot",
    ]


def test_a_request_replaces_a_deployments_own_step_or_leaves_it_out():
    own = offers(deploy__deploy=100, deploy__boot=20)
    moved = [{"interface": "deploy", "step": "boot", "priority": 200}]
    assert names(merged(own, moved)) == ["deploy.boot", "deploy.deploy"]
    without = [{"interface": "deploy", "step": "boot", "priority": 0}]
    assert names(merged(own, without)) == ["deploy.deploy"]


def test_an_operators_priorities_replace_the_interfaces_own():
    changed = with_priorities(OFFERS, {"deploy.erase": 0, "raid.build": 3})
    assert names(automated(changed)) == ["raid.build"]
    assert changed["raid", "build"].requires_ramdisk


@given(
    st.builds(
        PlannedStep,
        st.sampled_from(INTERFACES),
        st.text(min_size=1),
        st.dictionaries(st.text(), st.integers()),
        st.integers(0, 1000),
        st.booleans(),
    )
)
def test_a_step_is_read_as_it_was_shown(step):
    assert PlannedStep.read(step.shown()) == step
