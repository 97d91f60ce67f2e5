# SPDX-License-Identifier: Apache-2.0
"""What becomes of a node whose holder is gone in the middle of its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.core.journey import TAKEOVERS, failure, present
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, Takeover

# Work that killed one conductor may kill the next one.
_MOST_TAKEOVERS = 1


@dataclass(frozen=True, slots=True)
class Recovery:
    """What to write, and the sentence that says why."""

    changes: Mapping[str, Any]
    reason: str
    #: Whether work was lost (and not only a reservation left behind).
    work_lost: bool
    #: The state's work is to be done again by whoever writes this.
    again: bool = False


def recover(
    node: Node, cause: str, now: str, may_resume: bool = True
) -> Recovery | None:
    """Judge a node that nobody alive works on.

    ``cause``: what happened, such as ``Conductor one stopped``. None: there
    is nothing to repair. A node in a state that a conductor works on follows
    the table: its work is done again, once in a journey (and not at all
    without ``may_resume``), or it fails. A power
    change that was under way is given up, since nobody knows how far it came.
    """
    row = STATES.get(node.provision_state)
    rule = row.on_takeover if row is not None else None
    worked_on = rule in (Takeover.RESUME, Takeover.FAIL)
    powering = node.target_power_state is not None
    if node.reservation is None and not worked_on and not powering:
        return None
    changes: dict[str, Any] = {"reservation": None}
    lost = []
    again = (
        may_resume
        and rule is Takeover.RESUME
        and _takeovers(node) < _MOST_TAKEOVERS
    )
    if worked_on and not again:
        changes |= failure(node, "", "", now).changes
        lost.append(f"while the node was {_place(node)}")
    if powering:
        changes["target_power_state"] = None
        lost.append(f'before "{node.target_power_state}" was reached')
    if lost:
        reason = f"{cause} {' and '.join(lost)}."
        changes["last_error"] = reason
    elif again:
        reason = (
            f"{cause} while the node was {_place(node)}; that is done again."
        )
    else:
        reason = f"{cause} and left its reservation behind."
    return Recovery(changes, reason, bool(lost), again)


def _place(node: Node) -> str:
    step = present(node)
    where = f", in {step}" if step is not None else ""
    return f'"{node.provision_state}"{where}'


def _takeovers(node: Node) -> int:
    value = node.driver_internal_info.get(TAKEOVERS, 0)
    return value if isinstance(value, int) else _MOST_TAKEOVERS


__all__ = ["Recovery", "recover"]
