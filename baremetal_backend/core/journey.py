# SPDX-License-Identifier: Apache-2.0
"""How far a node came on its journey through steps, and how one ends badly.

A node's place is kept in its ``driver_internal_info`` (``clean_steps``,
``clean_step_index``, ...) and, for clients, in ``clean_step`` (...): any
conductor can go on from there. Everything here makes changes to write, from a
snapshot, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_backend.core.records import Json, Node
from baremetal_backend.core.states import (
    STATES,
    Kind,
    StepKind,
    Transition,
    process_event,
)
from baremetal_backend.core.steps import STEP_KINDS, PlannedStep

#: Digest of the secret that the node's ramdisk got on this journey.
TOKEN = "agent_token_digest"  # noqa: S105 - a key

#: Where the ramdisk is reached.
AGENT_URL = "agent_url"

#: Counts how often a journey was taken over from a dead conductor.
TAKEOVERS = "takeovers"

# In the present step: an abort was asked for and is heeded when it is over.
_ABORT_AFTER = "abort_after"


def _field(kind: StepKind) -> str | None:
    # Ironic's nodes have none for verify steps.
    return None if kind == "verify" else f"{kind}_step"


def begun(
    node: Node, kind: StepKind, plan: Sequence[PlannedStep]
) -> dict[str, Any]:
    """Changes that put a plan at the node, with no step begun."""
    info = _without_places(node.driver_internal_info)
    info[f"{kind}_steps"] = [one.shown() for one in plan]
    info[f"{kind}_step_index"] = None
    return {"driver_internal_info": info}


def at(node: Node, kind: StepKind, index: int) -> dict[str, Any]:
    """Changes that make the plan's step of this index the present one."""
    info = dict(node.driver_internal_info)
    info[f"{kind}_step_index"] = index
    changes: dict[str, Any] = {"driver_internal_info": info}
    if name := _field(kind):
        changes[name] = info[f"{kind}_steps"][index]
    return changes


def plan(node: Node, kind: StepKind) -> tuple[PlannedStep, ...]:
    """The plan at the node; empty without one."""
    shown = node.driver_internal_info.get(f"{kind}_steps") or ()
    return tuple(PlannedStep.read(one) for one in shown)


def index(node: Node, kind: StepKind) -> int | None:
    """Index of the present step; None: none has begun."""
    found = node.driver_internal_info.get(f"{kind}_step_index")
    return found if isinstance(found, int) else None


def present(node: Node) -> PlannedStep | None:
    """The step that the node's state is about; None without one.

    None as well for a plan that can't be read: a node can fail all the same.
    """
    row = STATES.get(node.provision_state)
    if row is None or row.steps is None:
        return None
    try:
        steps, place = plan(node, row.steps), index(node, row.steps)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if place is None or not 0 <= place < len(steps):
        return None
    return steps[place]


def abort_wanted(node: Node, kind: StepKind) -> bool:
    """Whether the journey ends after the present step."""
    name = _field(kind)
    return name is not None and getattr(node, name).get(_ABORT_AFTER) is True


def abort_sentence(node: Node) -> str:
    """What an aborted journey says."""
    step = present(node)
    where = f" at {step}" if step is not None else ""
    return f'"{node.provision_state}" was aborted by request{where}.'


def aborted(node: Node) -> dict[str, Any]:
    """Changes of an abort at once: the sentence; the plan is dropped."""
    changes: dict[str, Any] = {"last_error": abort_sentence(node)}
    info = _without_places(node.driver_internal_info)
    if info != node.driver_internal_info:
        changes["driver_internal_info"] = info
    return changes


def abort_later(node: Node) -> dict[str, Any] | None:
    """Changes that ask for an abort after the present step.

    None: nothing runs that can't be interrupted; abort it at once.
    """
    row = STATES[node.provision_state]
    step = present(node)
    if row.kind is not Kind.WAITING or step is None or step.abortable:
        return None
    name = _field(row.steps) if row.steps else None
    if name is None:
        return None
    return {name: {**step.shown(), _ABORT_AFTER: True}}


def finished(node: Node, kind: StepKind) -> dict[str, Any]:
    """Changes that end a plan: no steps, none present."""
    changes: dict[str, Any] = {
        "driver_internal_info": _without_places(node.driver_internal_info)
    }
    if name := _field(kind):
        changes[name] = {}
    return changes


def forgotten(node: Node) -> dict[str, Any]:
    """Changes with which a new journey begins: nothing left of the last."""
    changes: dict[str, Any] = {}
    info = _without_places(node.driver_internal_info)
    for key in (TAKEOVERS, TOKEN, AGENT_URL):
        info.pop(key, None)
    if info != node.driver_internal_info:
        changes["driver_internal_info"] = info
    for kind in STEP_KINDS:
        name = _field(kind)
        if name and getattr(node, name):
            changes[name] = {}
    return changes


def switched(node: Node, power_state: str) -> dict[str, Any]:
    """Changes of a node that was switched: its ramdisk has to begin anew."""
    changes: dict[str, Any] = {"power_state": power_state}
    if node.driver_internal_info.keys() & {TOKEN, AGENT_URL}:
        changes["driver_internal_info"] = {
            name: value
            for name, value in node.driver_internal_info.items()
            if name not in (TOKEN, AGENT_URL)
        }
    return changes


def _without_places(info: Json) -> dict[str, Any]:
    names = {
        f"{kind}_{suffix}"
        for kind in STEP_KINDS
        for suffix in ("steps", "step_index")
    }
    return {key: value for key, value in info.items() if key not in names}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failure writes, and the sentence that says why."""

    changes: Mapping[str, Any]
    transition: Transition
    error: str


def failure(
    node: Node, what: str, sentence: str, now: str, event: str = "fail"
) -> Failure:
    """The state's failure, with the present step's name in ``last_error``.

    ``what``: what was tried, such as ``Failed to clean``. The present step
    stays in ``clean_step`` (...) for the operator; the plan is dropped.
    Errors: InvalidEvent.
    """
    step = present(node)
    where = f"{step}: " if step is not None else ""
    error = f"{what}: {where}{sentence}"
    transition = process_event(
        node.provision_state, event, node.target_provision_state
    )
    changes: dict[str, Any] = {
        "provision_state": transition.state,
        "target_provision_state": transition.target,
        "provision_updated_at": now,
        "last_error": error,
    }
    if STATES[transition.state].kind is not Kind.BUSY:
        info = _without_places(node.driver_internal_info)
        if info != node.driver_internal_info:
            changes["driver_internal_info"] = info
    return Failure(changes, transition, error)


__all__ = [
    "AGENT_URL",
    "TAKEOVERS",
    "TOKEN",
    "Failure",
    "abort_later",
    "abort_sentence",
    "abort_wanted",
    "aborted",
    "at",
    "begun",
    "failure",
    "finished",
    "forgotten",
    "index",
    "plan",
    "present",
    "switched",
]
