# SPDX-License-Identifier: Apache-2.0
"""``abort``: don't wait any longer for what was to report.

A step that can't be interrupted is let finish; the abort is heeded then. A
failed service that is aborted leaves the node to its instance. Whoever
inspects a node is told before the node fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import (
    Decision,
    Operation,
    Provisioning,
    nothing,
    requested_transition,
)
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core import journey
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import ACTIVE, INSPECTFAIL


@dataclass(frozen=True, slots=True)
class Abort(Provisioning):
    """Ends a wait now, or after the present step. There is no work."""

    def begin(self, node: Node, now: str) -> Decision:
        """The verb's transition, or the wish. Errors: as Provisioning."""
        requested_transition(self.verb, node)
        later = journey.abort_later(node)
        if later is None:
            return Provisioning.begin(self, node, now)
        reason = f"{journey.present(node)} is aborted as soon as it is over"
        return Decision(later, reason, final=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortInspection(Abort):
    """Ends the wait for an inspection that whoever inspects was told of."""

    #: The node as it was before that.
    seen: Node
    #: Why nobody could be told; None: it is told.
    trouble: str | None
    #: Errors: InvalidState when the node is not as it was seen.
    check: Callable[[Node], None]

    def begin(self, node: Node, now: str) -> Decision:
        """The failure, unless the telling itself brought it about.

        Errors: InvalidState; as Provisioning.
        """
        sentence = journey.abort_sentence(self.seen)
        if self.trouble is not None:
            sentence += f" Its inspection may go on: {self.trouble}"
        error = {"last_error": sentence}
        if (
            node.provision_state == INSPECTFAIL
            and node.transition == self.seen.transition + 1
        ):
            return Decision(error, sentence, final=True)
        self.check(node)
        found = Abort.begin(self, node, now)
        return Decision({**found.changes, **error}, found.reason, found.final)


def operation(request: Request) -> Operation:
    """From a waiting state, or a hold, to its failure state."""
    return Abort(request.verb, nothing, _also)


def of_inspection(
    seen: Node, trouble: str | None, check: Callable[[Node], None]
) -> Operation:
    """The same, for a node that was seen to wait for an inspection."""
    return AbortInspection(
        "abort", nothing, _also, seen=seen, trouble=trouble, check=check
    )


def _also(node: Node, now: str) -> Mapping[str, Any]:
    step = requested_transition("abort", node)
    return {} if step.state == ACTIVE else journey.aborted(node)
