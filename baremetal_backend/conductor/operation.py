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

from baremetal_backend.core import journey
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidState,
    InvalidStateRequested,
    NodeInMaintenance,
    NodeProtected,
)
from baremetal_backend.core.lanes import PROVISIONING, LaneName
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import (
    CONTINUING,
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

#: Further changes at the beginning: (node, now) to fields.
Also = Callable[[Node, str], Mapping[str, Any]]


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
    def lane(self) -> LaneName:
        """Whose threads do it."""
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


class _OnJourney:
    """What all operations on the provision states share: how they end."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """For people, after "Failed to"."""
        raise NotImplementedError

    @property
    def topic(self) -> str:
        """The history's event type."""
        return "provisioning"

    @property
    def lane(self) -> LaneName:
        """Whose threads do it."""
        return PROVISIONING

    def end(self, node: Node, end: End, now: str) -> Decision:
        """The transition that the work ended with."""
        step = process_event(
            node.provision_state, end.event, node.target_provision_state
        )
        changes = transition_changes(step, now) | dict(end.changes)
        return Decision(changes, step.reason)

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """The present state's failure state."""
        return failed(node, self.name, sentence, now)


@dataclass(frozen=True, slots=True)
class Provisioning(_OnJourney):
    """An operation that a client's verb begins."""

    verb: str
    work: Work
    also: Also | None = None
    #: What it does, where the verb does not say it.
    what: str | None = None

    @property
    def name(self) -> str:
        """What it does."""
        if self.what is None and self.verb in ("active", "deleted"):
            return VERBS[self.verb].event
        return self.what or self.verb

    def begin(self, node: Node, now: str) -> Decision:
        """The verb's transition.

        A journey that begins forgets the last one's steps. Errors:
        InvalidStateRequested, NodeInMaintenance, NodeProtected.
        """
        step = requested_transition(self.verb, node)
        changes = transition_changes(step, now) | {"last_error": None}
        if (
            step.event not in CONTINUING
            or STATES[step.state].kind is Kind.REST
        ):
            changes |= journey.forgotten(node)
        if self.also is not None:
            changes |= self.also(node, now)
        final = STATES[step.state].kind is not Kind.BUSY
        return Decision(changes, step.reason, final)


@dataclass(frozen=True, slots=True)
class Continued(_OnJourney):
    """An operation that goes on with a journey, without a client."""

    what: str
    #: None: the state stays, its work is done again.
    event: str | None
    work: Work
    also: Also | None = None
    #: Errors: InvalidState when the node is not as it was seen.
    check: Callable[[Node], None] | None = None

    @property
    def name(self) -> str:
        """What it goes on with."""
        return self.what

    def begin(self, node: Node, now: str) -> Decision:
        """The event's transition. Errors: InvalidState."""
        if self.check is not None:
            self.check(node)
        changes = {} if self.also is None else dict(self.also(node, now))
        if self.event is None:
            reason = f'"{node.provision_state}" is done again'
            return Decision(changes, reason)
        step = continued_transition(node, self.event)
        return Decision(transition_changes(step, now) | changes, step.reason)


@dataclass(frozen=True, slots=True)
class Failing(_OnJourney):
    """Ends a wait badly; there is no work."""

    what: str
    sentence: str
    check: Callable[[Node], None] | None = None

    @property
    def name(self) -> str:
        """What failed."""
        return self.what

    @property
    def work(self) -> Work:
        """Never called: the decision is final."""
        return nothing

    def begin(self, node: Node, now: str) -> Decision:
        """The state's failure. Errors: InvalidState."""
        if self.check is not None:
            self.check(node)
        continued_transition(node, "fail")
        found = failed(node, self.what, self.sentence, now)
        return Decision(found.changes, found.reason, final=True)


def nothing(task: Task) -> Steps[End | None]:
    """Work of operations that have none."""
    yield from ()
    return None


def failed(node: Node, what: str, sentence: str, now: str) -> Decision:
    """The failure of the node's present state, with the step's name."""
    found = journey.failure(node, f"Failed to {what}", sentence, now)
    return Decision(found.changes, f"{found.transition.reason}. {found.error}")


def continued_transition(node: Node, event: str) -> Transition:
    """Where an event leads that no client asked for. Errors: InvalidState."""
    try:
        return process_event(
            node.provision_state, event, node.target_provision_state
        )
    except InvalidEvent:
        raise InvalidState(
            f'Node {node.uuid} does not take the event "{event}": it is '
            f'"{node.provision_state}".'
        ) from None


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
