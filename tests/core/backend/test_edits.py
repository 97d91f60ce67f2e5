# SPDX-License-Identifier: Apache-2.0
"""What of a node may be changed or removed, and when."""

from __future__ import annotations

import pytest

from baremetal_backend.core.edits import check_removal, edited
from baremetal_backend.core.errors import (
    InvalidState,
    NodeAssociated,
    NodeProtected,
)
from baremetal_backend.core.records import Node


def node(**values):
    return Node(uuid="u", driver="fake-hardware", **values)


def test_values_that_are_there_already_are_no_change():
    assert edited(node(name="a", extra={"b": 1}), {"extra": {"b": 1}}) == {}


def test_a_conductor_group_is_stored_in_lower_case():
    assert edited(node(), {"conductor_group": "RackA"}) == {
        "conductor_group": "racka"
    }


def test_a_node_that_carries_an_instance_takes_no_other():
    taken = node(instance_uuid="i1")
    with pytest.raises(NodeAssociated) as caught:
        edited(taken, {"instance_uuid": "i2"})
    assert caught.value.status == 409
    assert edited(taken, {"instance_uuid": None}) == {"instance_uuid": None}
    assert edited(taken, {"instance_uuid": "i1"}) == {}


@pytest.mark.parametrize(
    ("flag", "reasons"),
    [
        ("maintenance", {"maintenance_reason": None, "fault": None}),
        ("protected", {"protected_reason": None}),
        ("retired", {"retired_reason": None}),
    ],
)
def test_a_reason_goes_with_its_flag(flag, reasons):
    found = edited(node(**{flag: True}), {flag: False})
    assert found == {flag: False, **reasons}


@pytest.mark.parametrize("field", ["driver", "deploy_interface"])
def test_how_a_node_is_driven_is_frozen_while_it_is_used(field):
    changes = {field: "other"}
    used = node(provision_state="active")
    with pytest.raises(InvalidState, match=field):
        edited(used, changes)
    assert edited(node(provision_state="manageable"), changes) == changes
    in_maintenance = node(provision_state="active", maintenance=True)
    assert edited(in_maintenance, changes) == changes


def test_a_used_node_may_get_its_first_resource_class_only():
    used = node(provision_state="active")
    assert edited(used, {"resource_class": "a"}) == {"resource_class": "a"}
    classed = node(provision_state="active", resource_class="a")
    with pytest.raises(InvalidState):
        edited(classed, {"resource_class": "b"})


def test_only_a_node_with_an_instance_can_be_protected():
    with pytest.raises(InvalidState):
        edited(node(provision_state="available"), {"protected": True})
    used = node(provision_state="active")
    assert edited(used, {"protected": True}) == {"protected": True}


def test_an_available_node_can_not_be_retired():
    with pytest.raises(InvalidState):
        edited(node(provision_state="available"), {"retired": True})


@pytest.mark.parametrize(
    ("state", "available_too", "allowed"),
    [
        ("enroll", False, True),
        ("manageable", False, True),
        ("available", True, True),
        ("available", False, False),
        ("active", True, False),
        ("deploying", True, False),
    ],
)
def test_a_node_is_removed_only_at_rest(state, available_too, allowed):
    found = node(provision_state=state)
    if allowed:
        check_removal(found, available_too)
        return
    with pytest.raises(InvalidState, match=state):
        check_removal(found, available_too)
    in_maintenance = node(provision_state=state, maintenance=True)
    check_removal(in_maintenance, available_too)


def test_a_node_with_an_instance_or_a_protected_one_is_not_removed():
    with pytest.raises(NodeAssociated):
        check_removal(node(instance_uuid="i"), True)
    with pytest.raises(NodeProtected):
        check_removal(node(protected=True, maintenance=True), True)
