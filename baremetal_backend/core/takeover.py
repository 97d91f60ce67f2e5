# SPDX-License-Identifier: Apache-2.0
"""What becomes of a node whose conductor stopped in the middle of its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, process_event


@dataclass(frozen=True, slots=True)
class Recovery:
    """What to write, and the sentence that says why."""

    changes: Mapping[str, Any]
    reason: str
    #: Whether work was lost (and not only a reservation left behind).
    work_lost: bool


def recover(node: Node, host: str, now: str) -> Recovery | None:
    """Judge a node that this host held, or that nobody holds, at start-up.

    None: there is nothing to repair. A node in a state that a conductor works
    on fails by the table's rule; a power change that was under way is given
    up, since nobody knows how far it came.
    """
    event = (
        STATES[node.provision_state].on_takeover
        if node.provision_state in STATES
        else None
    )
    powering = node.target_power_state is not None
    if node.reservation is None and event is None and not powering:
        return None
    changes: dict[str, Any] = {"reservation": None}
    lost = []
    if event is not None:
        step = process_event(
            node.provision_state, event, node.target_provision_state
        )
        changes |= {
            "provision_state": step.state,
            "target_provision_state": step.target,
            "provision_updated_at": now,
        }
        lost.append(f'while the node was "{node.provision_state}"')
    if powering:
        changes["target_power_state"] = None
        lost.append(f'before "{node.target_power_state}" was reached')
    if lost:
        reason = f"Conductor {host} stopped {' and '.join(lost)}."
        changes["last_error"] = reason
        return Recovery(changes, reason, work_lost=True)
    return Recovery(
        changes, f"Conductor {host} left its reservation behind.", False
    )
