# SPDX-License-Identifier: Apache-2.0
"""``abort``: don't wait any longer for what was to report.

A step that can't be interrupted is let finish; the abort is heeded then. A
failed service that is aborted leaves the node to its instance.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from baremetal_backend.core.states import ACTIVE


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


def operation(request: Request) -> Operation:
    """From a waiting state, or a hold, to its failure state."""
    return Abort(request.verb, nothing, _also)


def _also(node: Node, now: str) -> Mapping[str, Any]:
    step = requested_transition("abort", node)
    return {} if step.state == ACTIVE else journey.aborted(node)
