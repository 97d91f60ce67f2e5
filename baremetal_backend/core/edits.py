# SPDX-License-Identifier: Apache-2.0
"""What of a node may be changed or removed, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.core.errors import (
    InvalidState,
    NodeAssociated,
    NodeProtected,
)
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.core.states import (
    ACTIVE,
    ADOPTFAIL,
    AVAILABLE,
    ENROLL,
    INSPECTFAIL,
    INSPECTING,
    INSPECTWAIT,
    MANAGEABLE,
    RESCUE,
)

# Fields that describe how a node is driven or scheduled: not while it is used.
_DRIVING = frozenset(
    {"driver", "resource_class", *(f"{kind}_interface" for kind in INTERFACES)}
)
_DRIVING_STATES = (
    ENROLL,
    INSPECTING,
    INSPECTWAIT,
    INSPECTFAIL,
    MANAGEABLE,
    AVAILABLE,
    ADOPTFAIL,
)

_REMOVABLE = (ENROLL, MANAGEABLE, ADOPTFAIL)

# When the flag falls, what explains it goes with it.
_EXPLAINED: Mapping[str, tuple[str, ...]] = {
    "maintenance": ("maintenance_reason", "fault"),
    "protected": ("protected_reason",),
    "retired": ("retired_reason",),
}


def edited(node: Node, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``changes`` differs, with what follows from it.

    Errors: InvalidState, NodeAssociated.
    """
    real = {
        name: value
        for name, value in changes.items()
        if getattr(node, name) != value
    }
    if isinstance(group := real.get("conductor_group"), str):
        real["conductor_group"] = group.lower()
    _check_instance(node, real)
    _check_driving(node, real)
    _check_flags(node, real)
    for flag, reasons in _EXPLAINED.items():
        if real.get(flag) is False:
            real |= dict.fromkeys(reasons)
    return real


def _check_instance(node: Node, real: Mapping[str, Any]) -> None:
    wanted = real.get("instance_uuid")
    if wanted is not None and node.instance_uuid is not None:
        raise NodeAssociated(node.uuid, node.instance_uuid)


def _check_driving(node: Node, real: Mapping[str, Any]) -> None:
    if node.maintenance or node.provision_state in _DRIVING_STATES:
        return
    frozen = _DRIVING & real.keys()
    # A class may be given to a node that has none yet, in any state.
    if node.resource_class is None:
        frozen -= {"resource_class"}
    if frozen:
        raise InvalidState(
            f"Node {node.uuid} can not have {', '.join(sorted(frozen))} "
            f'updated in state "{node.provision_state}", only in maintenance '
            f"mode or in one of: {', '.join(_DRIVING_STATES)}."
        )


def _check_flags(node: Node, real: Mapping[str, Any]) -> None:
    state = node.provision_state
    if real.get("protected") and state not in (ACTIVE, RESCUE):
        raise InvalidState(
            f"Node {node.uuid} can only be protected in state {ACTIVE} or "
            f'{RESCUE}, not in "{state}".'
        )
    if real.get("retired") and state == AVAILABLE:
        raise InvalidState(
            f"Node {node.uuid} can not be retired in state {AVAILABLE}; "
            "move it to manageable first."
        )


def check_removal(node: Node, available_too: bool) -> None:
    """Errors: InvalidState, NodeAssociated, NodeProtected."""
    if node.protected:
        raise NodeProtected(node.uuid)
    if node.maintenance:
        return
    if node.instance_uuid is not None:
        raise NodeAssociated(node.uuid, node.instance_uuid)
    allowed = (*_REMOVABLE, AVAILABLE) if available_too else _REMOVABLE
    if node.provision_state not in allowed:
        raise InvalidState(
            f'Can not delete node "{node.uuid}" while it is in provision '
            f'state "{node.provision_state}". Valid provision states to '
            f"perform deletion are: {', '.join(allowed)}; or set the node "
            "into maintenance mode."
        )
