# SPDX-License-Identifier: Apache-2.0
"""Plans of steps: run in order, interrupted, gone on with, failed by name."""

from __future__ import annotations

import pytest

from baremetal_backend.conductor import continuation
from baremetal_backend.conductor.verbs.rest import REST
from baremetal_backend.core import journey
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidState,
    InvalidStateRequested,
    NodeInMaintenance,
)
from baremetal_backend.core.states import STATES, Kind, Takeover
from baremetal_backend.rpc.interface import ProvisioningParams
from tests.backend.conductor.conftest import World
from tests.backend.conductor.stepping import RAN, SteppingHardware


@pytest.fixture
def world(tmp_path):
    RAN.clear()
    found = World(tmp_path, SteppingHardware)
    yield found
    found.close()


def step(name, interface="management", **args):
    return {"interface": interface, "step": name, "args": args}


def start(world, node, verb, **params):
    world.conductor.do_provisioning_action(
        node.uuid, verb, ProvisioningParams(**params)
    )


def act(world, node, verb, **params):
    start(world, node, verb, **params)
    world.idle()
    return world.get(node)


def clean(world, *steps, **values):
    node = world.node("manageable", **values)
    return act(world, node, "clean", clean_steps=steps)


def ran():
    return [name for name, _args in RAN]


def resume(world, node, **more):
    continuation.resume(world.context, node.uuid, **more)
    world.idle()
    return world.get(node)


# -- in order -----------------------------------------------------------------


def test_steps_run_in_the_order_of_the_request_with_their_arguments(world):
    node = world.node("manageable")
    steps = (
        step("slow", pattern="ff"),
        step("quick"),
        step("slow", pattern="0"),
    )
    start(world, node, "clean", clean_steps=steps)
    world.timer.wait_for_pause()
    seen = world.get(node)
    assert seen.provision_state == "cleaning"
    assert seen.clean_step["step"] == "slow"
    assert seen.driver_internal_info["clean_step_index"] == 0
    assert len(seen.driver_internal_info["clean_steps"]) == 3
    world.timer.pass_time()
    world.timer.pass_time()
    world.idle()
    assert RAN == [
        ("slow", {"pattern": "ff", "passes": 1}),
        ("quick", {}),
        ("slow", {"pattern": "0", "passes": 1}),
    ]
    node = world.get(node)
    assert (node.provision_state, node.clean_step) == ("manageable", {})
    assert node.driver_internal_info == {}


def test_first_contact_runs_the_verify_steps(world):
    assert act(world, world.node(), "manage").provision_state == "manageable"
    assert ran() == ["acquaint"]


def test_a_failed_verify_step_is_named(world):
    node = act(world, world.node(extra={"shy": True}), "manage")
    assert node.provision_state == "enroll"
    assert node.last_error == (
        "Failed to manage: step acquaint of interface management: "
        "it does not answer"
    )
    assert node.driver_internal_info == {}


def test_a_verify_step_can_not_wait(world):
    node = act(world, world.node(extra={"slow": True}), "manage")
    assert node.provision_state == "enroll"
    assert 'can not wait in "verifying"' in node.last_error


def test_an_operators_priorities_decide_what_automated_cleaning_runs(world):
    world.set_conductor(
        clean_step_priorities={
            "management.slow": 0,
            "management.waiting": 0,
            "deploy.erase_devices": 0,
        }
    )
    node = act(world, world.node("manageable"), "provide")
    assert node.provision_state == "available"
    assert ran() == ["quick"]


# -- waiting ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["waiting", "waiting_later"])
def test_a_step_that_waits_gives_the_node_back_until_it_is_resumed(
    world, name
):
    node = world.node("manageable")
    start(world, node, "clean", clean_steps=(step(name), step("quick")))
    if name == "waiting_later":
        world.timer.pass_time()
    world.idle()
    seen = world.get(node)
    assert seen.provision_state == "clean wait"
    assert seen.target_provision_state == "manageable"
    assert seen.reservation is None
    assert seen.clean_step["step"] == name
    assert ran() == [name]
    node = resume(world, node)
    assert node.provision_state == "manageable"
    assert node.power_state == "power off"
    assert ran() == [name, "quick"]
    assert world.history(node) == [
        '"manageable" -> "cleaning" on clean, target "manageable"',
        '"cleaning" -> "clean wait" on wait, target "manageable"',
        '"clean wait" -> "cleaning" on resume, target "manageable"',
        '"cleaning" -> "manageable" on withhold',
    ]


def test_automated_cleaning_that_waited_ends_available(world):
    node = world.node("manageable")
    world.set_conductor(clean_step_priorities={"management.slow": 0})
    node = act(world, node, "provide")
    assert node.provision_state == "clean wait"
    assert resume(world, node).provision_state == "available"


def test_a_deployment_waits_between_its_steps_and_ends_switched_on(world):
    node = act(world, world.node("available"), "active")
    assert node.provision_state == "wait call-back"
    assert node.deploy_step["step"] == "waiting"
    node = resume(world, node)
    assert (node.provision_state, node.power_state) == ("active", "power on")
    assert node.deploy_step == {}


def test_a_report_on_an_earlier_wait_does_not_end_a_later_one(world):
    seen = clean(world, step("waiting"), step("quick"))
    continuation.fail(world.context, seen.uuid, "broken", seen=seen)
    world.idle()
    act(world, seen, "manage")
    steps = (step("waiting"), step("quick"))
    later = act(world, seen, "clean", clean_steps=steps)
    # All within one second: only the number of the transition differs.
    assert later.provision_updated_at == seen.provision_updated_at
    assert later.provision_state == seen.provision_state == "clean wait"
    with pytest.raises(InvalidState, match="went on"):
        continuation.resume(world.context, later.uuid, seen=seen)
    assert world.get(later) == later


def test_a_late_or_repeated_report_ends_no_other_step(world):
    seen = clean(world, step("waiting"), step("waiting"), step("quick"))
    again = resume(world, seen, seen=seen)
    assert again.provision_state == "clean wait"
    assert again.driver_internal_info["clean_step_index"] == 1
    for report in (
        lambda: continuation.resume(world.context, seen.uuid, seen=seen),
        lambda: continuation.fail(world.context, seen.uuid, "x", seen=seen),
    ):
        with pytest.raises(InvalidState, match="went on"):
            report()
    assert world.get(seen) == again
    assert resume(world, again, seen=again).provision_state == "manageable"
    with pytest.raises(InvalidState) as caught:
        continuation.resume(world.context, again.uuid)
    assert caught.value.status == 409
    assert '"manageable"' in caught.value.message
    assert ran() == ["waiting", "waiting", "quick"]


def test_a_wait_that_fails_names_the_step_and_drops_the_plan(world):
    node = clean(world, step("waiting"), step("quick"))
    continuation.fail(world.context, node.uuid, "no answer for 1800 s")
    node = world.get(node)
    assert node.provision_state == "clean failed"
    assert node.last_error == (
        "Failed to clean: step waiting of interface management: "
        "no answer for 1800 s"
    )
    assert node.clean_step["step"] == "waiting"
    assert node.driver_internal_info == {}
    assert node.reservation is None


@pytest.mark.parametrize(
    "state", [s for s, row in STATES.items() if row.kind is Kind.WAITING]
)
def test_every_wait_can_be_ended_and_be_failed(world, state):
    target = STATES[state].target
    node = resume(world, world.node(state, target_provision_state=target))
    assert node.provision_state == target
    assert node.reservation is None
    node = world.node(state, target_provision_state=target)
    continuation.fail(world.context, node.uuid, "too late")
    node = world.get(node)
    assert node.provision_state == STATES[state].events["fail"]
    assert node.last_error == f"Failed to {REST[state].what}: too late"


def test_every_state_that_waits_or_is_held_knows_its_rest():
    assert set(REST) == {
        name
        for name, row in STATES.items()
        if row.kind in (Kind.WAITING, Kind.HELD)
    }


def test_a_node_that_waits_for_nothing_is_neither_resumed_nor_failed(world):
    node = world.node("active")
    for report in (
        lambda: continuation.resume(world.context, node.uuid),
        lambda: continuation.fail(world.context, node.uuid, "x"),
    ):
        with pytest.raises(InvalidState, match='"active"'):
            report()
    assert world.get(node) == node


# -- failing ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", "fan 2 is dead"),
        ("buggy", "ZeroDivisionError: division by zero"),
        ("confused", "The driver returned str"),
    ],
)
def test_a_step_that_dies_fails_the_node_with_the_steps_name(
    world, name, sentence
):
    node = clean(world, step("quick"), step(name), step("quick"))
    assert node.provision_state == "clean failed"
    assert node.last_error.startswith(
        f"Failed to clean: step {name} of interface management: {sentence}"
    )
    assert node.clean_step["step"] == name
    assert ran() == ["quick"]
    assert node.reservation is None
    node = act(world, node, "manage")
    assert (node.clean_step, node.last_error) == ({}, None)


def test_what_fails_after_the_steps_is_not_put_on_the_last_one(world):
    node = clean(
        world, step("quick"), driver_info={"fake_power_fail": "switch"}
    )
    assert node.provision_state == "clean failed"
    assert node.last_error == "Failed to clean: switch"


# -- a request that makes no sense --------------------------------------------


@pytest.mark.parametrize(
    ("verb", "state", "steps", "told"),
    [
        ("clean", "manageable", [step("slow")], '"pattern" is required'),
        ("clean", "manageable", [step("quick", x=1)], '"x" is not known'),
        ("service", "active", [step("buggy")], "step buggy of interface"),
        ("active", "available", [step("quick")], "step quick of interface"),
        ("service", "active", [], "name at least one"),
    ],
)
def test_it_is_refused_before_the_node_changes(
    world, verb, state, steps, told
):
    node = world.node(state)
    kind = {"active": "deploy"}.get(verb, verb)
    with pytest.raises(InvalidParameterValue, match=told):
        start(world, node, verb, **{f"{kind}_steps": steps})
    assert world.get(node) == node


def test_a_step_that_needs_a_ramdisk_is_refused_without_one(world):
    node = world.node("manageable")
    with pytest.raises(InvalidParameterValue, match="step broken"):
        start(
            world,
            node,
            "clean",
            clean_steps=[step("broken")],
            disable_ramdisk=True,
        )


# -- reserved steps -----------------------------------------------------------


def test_reserved_steps_switch_wait_and_hold(world):
    node = world.node("manageable")
    names = ("power_on", "reboot", "power_off", "power_on")
    steps = [step(name, "power") for name in names]
    steps += [step("wait", "power", seconds=11), step("hold", "power")]
    start(world, node, "clean", clean_steps=[*steps, step("quick")])
    assert world.timer.wait_for_pause() == 11
    assert world.get(node).power_state == "power on"
    world.timer.pass_time()
    world.idle()
    held = world.get(node)
    assert (held.provision_state, held.reservation) == ("clean hold", None)
    assert held.clean_step["step"] == "hold"
    assert ran() == []
    node = act(world, held, "unhold")
    assert node.provision_state == "manageable"
    assert ran() == ["quick"]


def test_a_hold_can_be_aborted(world):
    held = clean(world, step("hold", "power"), step("quick"))
    node = act(world, held, "abort")
    assert node.provision_state == "clean failed"
    assert "was aborted by request at step hold" in node.last_error
    assert node.driver_internal_info == {}
    assert ran() == []


def test_a_deployment_is_held_and_let_go(world):
    node = world.node("available")
    hold = {**step("hold", "power"), "priority": 90}
    node = act(world, node, "active", deploy_steps=[hold])
    assert node.provision_state == "deploy hold"
    node = act(world, node, "unhold")
    assert node.provision_state == "wait call-back"
    assert ran() == ["waiting"]


def test_only_a_held_node_is_let_go(world):
    node = world.node("active")
    with pytest.raises(InvalidStateRequested, match='"active"'):
        start(world, node, "unhold")


# -- aborting -----------------------------------------------------------------


def test_an_abort_during_a_step_that_can_not_be_interrupted_waits_for_it(
    world,
):
    node = clean(world, step("waiting"), step("quick"))
    node = act(world, node, "abort")
    assert node.provision_state == "clean wait"
    assert world.history(node)[-1].endswith("aborted as soon as it is over")
    node = resume(world, node)
    assert node.provision_state == "clean failed"
    assert node.last_error == (
        '"cleaning" was aborted by request at step waiting of interface '
        "management."
    )
    assert ran() == ["waiting"]
    assert node.driver_internal_info == {}


def test_an_abort_ends_a_step_that_may_be_interrupted_at_once(world):
    node = world.node("active")
    node = act(
        world, node, "service", service_steps=[step("waiting"), step("quick")]
    )
    assert node.provision_state == "service wait"
    node = act(world, node, "abort")
    assert node.provision_state == "service failed"
    assert "step waiting of interface management" in node.last_error
    node = act(world, node, "abort")
    assert (node.provision_state, node.last_error) == ("active", None)
    assert node.service_step == {}


# -- servicing ----------------------------------------------------------------


def test_service_runs_steps_and_leaves_the_instance_as_it_is(world):
    node = world.node("active", power_state="power on", instance_info={"a": 1})
    node = act(world, node, "service", service_steps=[step("quick")])
    assert node.provision_state == "active"
    assert (node.power_state, node.instance_info) == ("power on", {"a": 1})
    assert ran() == ["quick"]


def test_a_failed_service_can_be_repeated_or_the_node_be_deleted(world):
    node = world.node("active")
    node = act(world, node, "service", service_steps=[step("broken")])
    assert node.provision_state == "service failed"
    assert node.target_provision_state == "active"
    node = act(world, node, "service", service_steps=[step("quick")])
    assert node.provision_state == "active"
    node = act(world, node, "service", service_steps=[step("waiting")])
    world.set_conductor(automated_clean=False)
    assert act(world, node, "deleted").provision_state == "available"


def test_nothing_is_serviced_in_maintenance(world):
    node = world.node("active", maintenance=True)
    with pytest.raises(NodeInMaintenance):
        start(world, node, "service", service_steps=[step("quick")])


# -- after a dead conductor ---------------------------------------------------


@pytest.mark.parametrize(
    ("state", "following", "verb"),
    [
        ("verifying", "manageable", "adopt"),
        ("deleting", "available", "manage"),
    ],
)
def test_harmless_work_is_done_again_and_counted(
    world, state, following, verb
):
    assert STATES[state].on_takeover is Takeover.RESUME
    world.set_conductor(automated_clean=False)
    node = world.node(
        state,
        target_provision_state=STATES[state].target,
        driver_info={"fake_verify_delay": 5, "fake_undeploy_delay": 5},
    )
    world.tasks.spawn_after(node.uuid, continuation.again(world.context, node))
    seen = world.get(node)
    assert seen.provision_state == state
    assert seen.driver_internal_info[journey.TAKEOVERS] == 1
    world.timer.pass_time()
    world.idle()
    assert world.get(node).provision_state == following
    node = act(world, world.get(node), verb)
    assert journey.TAKEOVERS not in node.driver_internal_info


@pytest.mark.parametrize(
    "state",
    [
        name
        for name, row in STATES.items()
        if row.on_takeover is not Takeover.RESUME
    ],
)
def test_no_other_work_is_done_again(world, state):
    with pytest.raises(InvalidState, match=f'"{state}"'):
        continuation.again(world.context, world.node(state))
