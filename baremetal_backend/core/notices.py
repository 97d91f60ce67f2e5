# SPDX-License-Identifier: Apache-2.0
"""What is announced of a change of a node: decided from before and after.

One committed write makes one notice at most, and the notice tells what the
write did: nothing that was only intended, nothing that was rolled back. Event
types and the payload's shape are those of Ironic's versioned notifications,
so that its consumers understand ours.

A notice leaves the service: ``driver_info`` (passwords of BMCs),
``instance_info`` (config drives) and internals are not in it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.core.states import STATES, Kind

_PREFIX = "baremetal.node."


class Severity(enum.IntEnum):
    """In the order of ``[DEFAULT]notification_level``."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class Notice:
    """One announcement."""

    event_type: str
    severity: Severity
    payload: Mapping[str, Any]


_SHOWN = (
    "clean_step",
    "conductor_group",
    "console_enabled",
    "created_at",
    "deploy_step",
    "description",
    "disable_power_off",
    "driver",
    "extra",
    "fault",
    "inspection_finished_at",
    "inspection_started_at",
    "instance_uuid",
    "last_error",
    "lessee",
    "maintenance",
    "maintenance_reason",
    "name",
    "owner",
    "power_state",
    "properties",
    "protected",
    "protected_reason",
    "provision_state",
    "provision_updated_at",
    "resource_class",
    "retired",
    "retired_reason",
    "service_step",
    "shard",
    "target_power_state",
    "target_provision_state",
    "traits",
    "updated_at",
    "uuid",
    *(f"{kind}_interface" for kind in INTERFACES),
)

# What people and clients change; all else changes in the course of work.
_EDITED = (
    "automated_clean",
    "chassis_uuid",
    "conductor_group",
    "description",
    "disable_power_off",
    "driver",
    "driver_info",
    "extra",
    "instance_info",
    "instance_name",
    "instance_uuid",
    "lessee",
    "name",
    "network_data",
    "owner",
    "parent_node",
    "properties",
    "protected",
    "protected_reason",
    "resource_class",
    "retired",
    "retired_reason",
    "shard",
    "traits",
    *(f"{kind}_interface" for kind in INTERFACES),
)

_MOVING = frozenset({Kind.BUSY, Kind.WAITING})


def notice(
    before: Node | None, after: Node | None, failed: bool = False
) -> Notice | None:
    """The announcement of a write; None: nothing that anyone is told.

    ``before`` None: the node was created; ``after`` None: it was deleted.
    ``failed``: the write tells of a failure.
    """
    if before is None or after is None:
        node, what = (after, "create") if after else (before, "delete")
        return _crud(node, what) if node else None
    return _change(before, after, failed)


def _change(before: Node, after: Node, failed: bool) -> Notice | None:
    if before.provision_state != after.provision_state:
        return _provision(before, after, failed)
    if (
        before.target_power_state != after.target_power_state
        or before.power_state != after.power_state
    ):
        return _power(before, after, failed)
    if before.maintenance != after.maintenance:
        return _notice("maintenance_set.end", "NodePayload", after)
    if any(getattr(before, f) != getattr(after, f) for f in _EDITED):
        return _crud(after, "update")
    return None


def _crud(node: Node, what: str) -> Notice:
    return _notice(
        f"{what}.end",
        "NodeCRUDPayload",
        node,
        chassis_uuid=node.chassis_uuid,
    )


def _provision(before: Node, after: Node, failed: bool) -> Notice:
    was, now = _kind(before), _kind(after)
    missed = failed or now is Kind.FAILED
    if missed:
        status = "error"
    elif was not in _MOVING and now in _MOVING:
        status = "start"
    elif was in _MOVING and now not in _MOVING:
        status = "end"
    else:
        status = "success"
    return _notice(
        f"provision_set.{status}",
        "NodeSetProvisionStatePayload",
        after,
        Severity.ERROR if missed else Severity.INFO,
        event=_event(before, after),
        previous_provision_state=before.provision_state,
        previous_target_provision_state=before.target_provision_state,
    )


def _power(before: Node, after: Node, failed: bool) -> Notice | None:
    if before.target_power_state == after.target_power_state:
        # In the course of a request or of a journey, which announces it.
        asked_for = after.target_power_state or _kind(after) in _MOVING
        return None if asked_for else _corrected(before, after)
    goal = after.target_power_state or before.target_power_state
    if after.target_power_state is not None:
        status = "start"
    else:
        status = "error" if failed else "end"
    return _notice(
        f"power_set.{status}",
        "NodeSetPowerStatePayload",
        after,
        Severity.ERROR if status == "error" else Severity.INFO,
        to_power=goal,
    )


def _corrected(before: Node, after: Node) -> Notice:
    return _notice(
        "power_state_corrected.success",
        "NodeCorrectedPowerStatePayload",
        after,
        from_power=before.power_state,
    )


def _notice(
    event_type: str,
    name: str,
    node: Node,
    severity: Severity = Severity.INFO,
    **more: Any,
) -> Notice:
    data = {field: getattr(node, field) for field in _SHOWN}
    data["traits"] = list(node.traits)
    return Notice(
        _PREFIX + event_type,
        severity,
        {
            "ironic_object.name": name,
            "ironic_object.namespace": "ironic",
            "ironic_object.version": "1.0",
            "ironic_object.data": data | more,
        },
    )


def _kind(node: Node) -> Kind | None:
    state = STATES.get(node.provision_state)
    return state.kind if state else None


def _event(before: Node, after: Node) -> str | None:
    """The event of the table that leads from one state to the other."""
    state = STATES.get(before.provision_state)
    events = state.events if state else {}
    found = [e for e, to in events.items() if to == after.provision_state]
    return found[0] if found else None
