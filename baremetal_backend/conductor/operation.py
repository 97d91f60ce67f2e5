# SPDX-License-Identifier: Apache-2.0
"""What an operation on a node is: decisions at its ends, work in between.

The decisions (``begin``, ``end``, ``fail``) are pure: they look at a snapshot
and say what to write, or raise. The work is a generator that knows the node
and its driver, and nothing of locks, states, threads or errors. The task
manager applies the ones and runs the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidStateRequested,
    NodeInMaintenance,
    NodeProtected,
)
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import (
    STATES,
    VERBS,
    InvalidEvent,
    Kind,
    Transition,
    process_event,
    verbs_from,
)
from baremetal_backend.drivers.base import DriverTask, Steps
from baremetal_backend.drivers.loader import Driver


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write, and the sentence for log and history."""

    changes: Mapping[str, Any]
    reason: str
    #: Nothing is left to do: no work, no worker, no reservation.
    final: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How work ended that did not fail."""

    event: str = "done"
    changes: Mapping[str, Any] = field(default_factory=dict)


class Task(DriverTask, Protocol):
    """A node in exclusive use, as the work of an operation sees it."""

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        ...

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        ...

    def advance(self, event: str, **changes: Any) -> None:
        """Apply an event in the middle of the work, with other changes."""
        ...


Work = Callable[[Task], Steps[End | None]]


class Operation(Protocol):
    """What the task manager carries out."""

    @property
    def name(self) -> str:
        """For people: ``active``, ``power on``, ..."""
        ...

    @property
    def topic(self) -> str:
        """``provisioning`` or ``power``: the history's event type."""
        ...

    @property
    def work(self) -> Work:
        """What is done in between."""
        ...

    def begin(self, node: Node, now: str) -> Decision:
        """What the node shows as soon as the work begins.

        Errors: every one that refuses the request; nothing was changed.
        """
        ...

    def end(self, node: Node, end: End, now: str) -> Decision:
        """What it shows when the work is done."""
        ...

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """What it shows when the work failed."""
        ...


@dataclass(frozen=True, slots=True)
class Provisioning:
    """An operation that moves a node through the provision states."""

    verb: str
    work: Work
    #: Further changes at the beginning: (node, now) to fields.
    also: Callable[[Node, str], Mapping[str, Any]] | None = None

    @property
    def name(self) -> str:
        """The verb."""
        return self.verb

    @property
    def topic(self) -> str:
        """The history's event type."""
        return "provisioning"

    def begin(self, node: Node, now: str) -> Decision:
        """The verb's transition.

        Errors: InvalidStateRequested, NodeInMaintenance, NodeProtected.
        """
        step = requested_transition(self.verb, node)
        changes = transition_changes(step, now) | {"last_error": None}
        if self.also is not None:
            changes |= self.also(node, now)
        final = STATES[step.state].kind is not Kind.BUSY
        return Decision(changes, step.reason, final)

    def end(self, node: Node, end: End, now: str) -> Decision:
        """The transition that the work ended with."""
        step = process_event(
            node.provision_state, end.event, node.target_provision_state
        )
        changes = transition_changes(step, now) | dict(end.changes)
        return Decision(changes, step.reason)

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """The present state's failure state."""
        error = f"Failed to {self.verb}: {sentence}"
        if self.verb in ("active", "deleted"):
            event = VERBS[self.verb].event
            error = f"Failed to {event}: {sentence}"
        step = process_event(
            node.provision_state, "fail", node.target_provision_state
        )
        changes = transition_changes(step, now) | {"last_error": error}
        return Decision(changes, f"{step.reason}. {error}")


def requested_transition(verb_name: str, node: Node) -> Transition:
    """Where a client's verb leads the node.

    Errors: InvalidParameterValue (no such verb), InvalidStateRequested,
    NodeInMaintenance, NodeProtected.
    """
    verb = VERBS.get(verb_name)
    if verb is None:
        raise InvalidParameterValue(
            f'The requested action "{verb_name}" is not known; choose one '
            f"of: {', '.join(VERBS)}."
        )
    try:
        step = process_event(
            node.provision_state,
            verb.event,
            node.target_provision_state,
            verb.target,
        )
    except InvalidEvent:
        raise InvalidStateRequested(
            verb_name,
            node.uuid,
            node.provision_state,
            verbs_from(node.provision_state),
        ) from None
    if verb.needs_no_maintenance and node.maintenance:
        raise NodeInMaintenance(verb_name, node.uuid)
    if verb.ends_instance and node.protected:
        raise NodeProtected(node.uuid)
    return step


def transition_changes(step: Transition, now: str) -> dict[str, Any]:
    """What a transition writes."""
    return {
        "provision_state": step.state,
        "target_provision_state": step.target,
        "provision_updated_at": now,
    }
