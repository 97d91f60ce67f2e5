# SPDX-License-Identifier: Apache-2.0
"""Which change of a node is announced as what."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core.notices import Severity, notice
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES

NODE = Node(
    uuid="u",
    driver="fake-hardware",
    name="n",
    provision_state="available",
    power_state="power off",
    driver_info={"password": "secret"},
    instance_info={"configdrive": "secret"},
    traits=("CUSTOM_A",),
)

AVAILABLE = {}
DEPLOYING = {
    "provision_state": "deploying",
    "target_provision_state": "active",
}
WAITING = {
    "provision_state": "wait call-back",
    "target_provision_state": "active",
}
ACTIVE = {"provision_state": "active"}
FAILED = {
    "provision_state": "deploy failed",
    "target_provision_state": "active",
}
SWITCHING = {"target_power_state": "power on"}
ON = {"power_state": "power on"}

TABLE = [
    (AVAILABLE, DEPLOYING, False, "provision_set.start", "deploy"),
    (DEPLOYING, WAITING, False, "provision_set.success", "wait"),
    (WAITING, DEPLOYING, False, "provision_set.success", "resume"),
    (DEPLOYING, ACTIVE, False, "provision_set.end", "done"),
    (DEPLOYING, FAILED, True, "provision_set.error", "fail"),
    # A failure state is one, whoever reports it.
    (WAITING, FAILED, False, "provision_set.error", "fail"),
    (
        {"provision_state": "manageable"},
        AVAILABLE,
        False,
        "provision_set.success",
        None,
    ),
    (AVAILABLE, SWITCHING, False, "power_set.start", None),
    (SWITCHING, ON, False, "power_set.end", None),
    (SWITCHING, {"last_error": "no"}, True, "power_set.error", None),
    (AVAILABLE, ON, False, "power_state_corrected.success", None),
    (AVAILABLE, {"maintenance": True}, False, "maintenance_set.end", None),
    ({"maintenance": True}, AVAILABLE, False, "maintenance_set.end", None),
    (AVAILABLE, {"extra": {"a": 1}}, False, "update.end", None),
    (AVAILABLE, {"driver_info": {}}, False, "update.end", None),
]


def node(values):
    return dataclasses.replace(NODE, **values)


@pytest.mark.parametrize(("before", "after", "failed", "what", "event"), TABLE)
def test_each_change_has_its_event_type(before, after, failed, what, event):
    found = notice(node(before), node(after), failed)
    assert found.event_type == f"baremetal.node.{what}"
    bad = what.endswith("error")
    assert found.severity is (Severity.ERROR if bad else Severity.INFO)
    if what.startswith("provision_set"):
        assert found.payload["ironic_object.data"]["event"] == event


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Switched on the way of a request or of a journey.
        (SWITCHING, SWITCHING | ON),
        (DEPLOYING, DEPLOYING | ON),
        (AVAILABLE, AVAILABLE),
        (AVAILABLE, {"reservation": "me", "lease_token": 7, "version": 2}),
        (DEPLOYING, DEPLOYING | {"deploy_step": {"step": "write_image"}}),
        (AVAILABLE, {"driver_internal_info": {"a": 1}}),
        (AVAILABLE, {"updated_at": "2026-01-31T12:00:00+00:00"}),
    ],
)
def test_what_nobody_asked_about_is_not_announced(before, after):
    assert notice(node(before), node(after)) is None


def test_nodes_that_come_and_go_are_announced():
    assert notice(None, NODE).event_type == "baremetal.node.create.end"
    assert notice(NODE, None).event_type == "baremetal.node.delete.end"
    assert notice(None, None) is None


def test_a_payload_is_shaped_as_ironics_and_tells_where_it_came_from():
    payload = notice(NODE, node(DEPLOYING)).payload
    assert payload["ironic_object.name"] == "NodeSetProvisionStatePayload"
    assert payload["ironic_object.namespace"] == "ironic"
    data = payload["ironic_object.data"]
    assert data["uuid"] == "u"
    assert data["provision_state"] == "deploying"
    assert data["target_provision_state"] == "active"
    assert data["previous_provision_state"] == "available"
    assert data["previous_target_provision_state"] is None
    assert data["traits"] == ["CUSTOM_A"]
    assert data["power_interface"] is None
    asked = notice(NODE, node(SWITCHING)).payload["ironic_object.data"]
    assert asked["to_power"] == "power on"
    fixed = notice(NODE, node(ON)).payload["ironic_object.data"]
    assert fixed["from_power"] == "power off"


@pytest.mark.parametrize("state", sorted(STATES))
def test_no_secret_leaves_whatever_happens(state):
    for one in (
        notice(None, NODE),
        notice(NODE, None),
        notice(NODE, node({"provision_state": state})),
        notice(NODE, node({"driver_info": {"password": "new secret"}})),
    ):
        assert one is None or "secret" not in repr(one)
