# SPDX-License-Identifier: Apache-2.0
"""What each verb makes of a node, with the fake hardware."""

from __future__ import annotations

import pytest

from baremetal_backend.core.errors import (
    HardwareRefused,
    InvalidParameterValue,
    InvalidStateRequested,
    NodeInMaintenance,
    NodeProtected,
    NodeRetired,
)
from baremetal_backend.rpc.interface import ProvisioningParams
from tests.databases.lending import KINDS

INSTANCE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(params=KINDS)
def kind(request):
    """These tests run on each kind of database."""
    return request.param


def act(world, node, verb, **params):
    world.conductor.do_provisioning_action(
        node.uuid, verb, ProvisioningParams(**params)
    )
    world.idle()
    return world.get(node)


def test_manage_contacts_a_new_node_and_learns_its_power_state(world):
    node = act(world, world.node(), "manage")
    assert node.provision_state == "manageable"
    assert node.target_provision_state is None
    assert node.power_state == "power off"
    assert node.reservation is None


def test_a_node_that_can_not_be_contacted_stays_enrolled_and_says_why(world):
    node = world.node(driver_info={"fake_verify_fail": "wrong password"})
    node = act(world, node, "manage")
    assert node.provision_state == "enroll"
    assert node.last_error == "Failed to manage: wrong password"


def test_provide_cleans_the_node_and_makes_it_available(world):
    node = world.node("manageable", power_state="power on")
    node = act(world, node, "provide")
    assert node.provision_state == "available"
    assert node.power_state == "power off"
    assert node.clean_step == {}
    assert world.history(node) == [
        '"manageable" -> "cleaning" on provide, target "available"',
        '"cleaning" -> "available" on done',
    ]


def test_without_automated_cleaning_nothing_is_run(world):
    node = world.node(
        "manageable",
        automated_clean=False,
        driver_info={"fake_clean_fail": "must not run"},
    )
    assert act(world, node, "provide").provision_state == "available"


def test_a_failed_cleaning_keeps_the_step_and_the_target(world):
    node = world.node(
        "manageable", driver_info={"fake_clean_fail": "disk 3 is stuck"}
    )
    node = act(world, node, "provide")
    assert node.provision_state == "clean failed"
    assert node.target_provision_state == "available"
    assert node.clean_step["step"] == "erase_devices"
    assert "disk 3 is stuck" in node.last_error
    node = act(world, node, "manage")
    assert (node.provision_state, node.last_error) == ("manageable", None)


def test_manual_cleaning_runs_the_named_steps_and_ends_manageable(world):
    node = world.node("manageable", target_raid_config={"disks": 2})
    steps = [
        {"interface": "bios", "step": "factory_reset"},
        {"interface": "raid", "step": "create_configuration"},
    ]
    node = act(world, node, "clean", clean_steps=steps)
    assert node.provision_state == "manageable"
    assert node.raid_config == {"disks": 2}


@pytest.mark.parametrize(
    "steps",
    [
        (),
        ({"interface": "bios", "step": "explode"},),
        ({"interface": "nothing", "step": "factory_reset"},),
        ({"interface": "bios", "step": "factory_reset", "args": 1},),
    ],
)
def test_manual_cleaning_refuses_steps_that_nobody_has(world, steps):
    node = world.node("manageable")
    with pytest.raises(InvalidParameterValue, match="clean_steps"):
        act(world, node, "clean", clean_steps=steps)
    assert world.get(node) == node


def test_deploy_puts_the_instance_on_and_switches_the_node_on(world):
    node = world.node(
        "available", instance_uuid=INSTANCE, instance_info={"image": "x"}
    )
    node = act(world, node, "active", configdrive="H4sI")
    assert node.provision_state == "active"
    assert node.power_state == "power on"
    assert node.instance_info == {"image": "x", "configdrive": "H4sI"}


def test_a_failed_deployment_can_be_repeated_or_deleted(world):
    node = world.node(
        "available",
        instance_uuid=INSTANCE,
        driver_info={
            "fake_deploy_fail": "no image",
            "fake_deploy_fail_times": 1,
        },
    )
    node = act(world, node, "active")
    assert node.provision_state == "deploy failed"
    assert node.target_provision_state == "active"
    assert node.last_error == (
        "Failed to deploy: step deploy of interface deploy: no image"
    )
    node = act(world, node, "active")
    assert (node.provision_state, node.last_error) == ("active", None)


def test_rebuild_replaces_the_config_drive(world):
    node = world.node("active", instance_info={"configdrive": "old"})
    node = act(world, node, "rebuild", configdrive={"meta_data": {}})
    assert node.provision_state == "active"
    assert node.instance_info["configdrive"] == {"meta_data": {}}


@pytest.mark.parametrize("verb", ["deleted", "undeploy"])
@pytest.mark.parametrize(
    "state", ["active", "deploy failed", "error", "rescue", "rescue failed"]
)
def test_delete_forgets_the_instance_and_cleans(world, verb, state):
    node = world.node(
        state,
        instance_uuid=INSTANCE,
        instance_info={"image": "x"},
        power_state="power on",
        console_enabled=True,
        driver_internal_info={"attached_vifs": [{"id": "v"}], "kept": 1},
    )
    node = act(world, node, verb)
    assert node.provision_state == "available"
    assert node.instance_uuid is None
    assert node.instance_info == {}
    assert node.power_state == "power off"
    assert node.console_enabled is False
    assert node.driver_internal_info == {"kept": 1}


def test_a_node_in_cleaning_never_shows_its_last_instance(world):
    node = world.node(
        "active",
        instance_uuid=INSTANCE,
        driver_info={"fake_clean_delay": 5, "fake_undeploy_delay": 5},
    )
    world.conductor.do_provisioning_action(node.uuid, "deleted")
    world.timer.wait_for_pause()
    tearing = world.get(node)
    assert tearing.provision_state == "deleting"
    assert tearing.instance_uuid == INSTANCE
    world.timer.pass_time()
    world.timer.wait_for_pause()
    cleaning = world.get(node)
    assert cleaning.provision_state == "cleaning"
    assert cleaning.target_provision_state == "available"
    assert cleaning.instance_uuid is None
    world.timer.pass_time()
    world.idle()


def test_a_failed_tear_down_keeps_the_instance_and_can_be_repeated(world):
    node = world.node(
        "active",
        instance_uuid=INSTANCE,
        driver_info={
            "fake_undeploy_fail": "no contact",
            "fake_undeploy_fail_times": "1",
        },
    )
    node = act(world, node, "deleted")
    assert node.provision_state == "error"
    assert node.instance_uuid == INSTANCE
    assert node.last_error == "Failed to delete: no contact"
    assert act(world, node, "deleted").provision_state == "available"


def test_a_retired_node_is_not_handed_out_again(world):
    node = act(world, world.node("active", retired=True), "deleted")
    assert node.provision_state == "manageable"
    with pytest.raises(NodeRetired):
        act(world, node, "provide")


def test_rescue_and_back_leave_no_password_behind(world):
    node = world.node("active", power_state="power on")
    node = act(world, node, "rescue", rescue_password="s3cret")
    assert node.provision_state == "rescue"
    assert node.instance_info == {"rescue_password": "s3cret"}
    node = act(world, node, "unrescue")
    assert node.provision_state == "active"
    assert node.instance_info == {}
    assert node.power_state == "power on"


def test_rescue_needs_a_password(world):
    node = world.node("active")
    with pytest.raises(InvalidParameterValue, match="rescue_password"):
        act(world, node, "rescue", rescue_password=" ")


def test_a_failed_rescue_can_be_undone(world):
    node = world.node("active", driver_info={"fake_rescue_fail": "no ramdisk"})
    node = act(world, node, "rescue", rescue_password="x")
    assert node.provision_state == "rescue failed"
    assert act(world, node, "unrescue").provision_state == "active"


def test_inspection_notes_when_it_began_and_ended(world):
    node = act(world, world.node("manageable"), "inspect")
    assert node.provision_state == "manageable"
    assert node.inspection_started_at == "2027-01-15T08:00:00+00:00"
    assert node.inspection_finished_at == "2027-01-15T08:00:00+00:00"


def test_a_failed_inspection_has_a_state_of_its_own(world):
    node = world.node("manageable", driver_info={"fake_inspect_fail": "?"})
    node = act(world, node, "inspect")
    assert node.provision_state == "inspect failed"
    assert node.inspection_finished_at is None
    assert act(world, node, "manage").provision_state == "manageable"


def test_adopt_takes_a_node_as_it_is(world):
    node = world.node("manageable", power_state="power on")
    node = act(world, node, "adopt")
    assert (node.provision_state, node.power_state) == ("active", "power on")


def test_abort_ends_a_wait_at_once(world):
    node = world.node("clean wait", target_provision_state="available")
    node = act(world, node, "abort")
    assert node.provision_state == "clean failed"
    assert "aborted" in node.last_error


def test_a_verb_that_the_state_does_not_take_changes_nothing(world):
    node = world.node("available")
    with pytest.raises(InvalidStateRequested) as caught:
        act(world, node, "rebuild")
    assert caught.value.status == 400
    assert '"rebuild"' in caught.value.message
    assert '"available"' in caught.value.message
    assert world.get(node) == node


def test_an_unknown_verb_names_the_known_ones(world):
    with pytest.raises(InvalidParameterValue, match="unrescue"):
        act(world, world.node(), "explode")


@pytest.mark.parametrize(
    ("verb", "state"), [("active", "available"), ("rebuild", "active")]
)
def test_nothing_is_deployed_in_maintenance(world, verb, state):
    node = world.node(state, maintenance=True)
    with pytest.raises(NodeInMaintenance):
        act(world, node, verb)
    assert world.get(node) == node


@pytest.mark.parametrize("verb", ["deleted", "rebuild"])
def test_a_protected_instance_is_kept(world, verb):
    node = world.node("active", protected=True)
    with pytest.raises(NodeProtected):
        act(world, node, verb)


@pytest.mark.parametrize(
    "info",
    [
        {"fake_deploy_delay": "soon"},
        {"fake_deploy_delay": "3,1"},
        {"fake_deploy_dely": 1},
        {"fake_deploy_fail": ""},
        {"fake_deploy_fail_times": -1},
    ],
)
def test_a_script_that_can_not_be_played_is_refused_with_its_key(world, info):
    node = world.node("available", driver_info=info)
    with pytest.raises(HardwareRefused, match=next(iter(info))) as caught:
        act(world, node, "active")
    assert caught.value.status == 400
    assert world.get(node) == node
