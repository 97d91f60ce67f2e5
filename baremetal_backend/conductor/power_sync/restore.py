# SPDX-License-Identifier: Apache-2.0
"""Switching a node back to the power state that it was told to have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import Decision, End, Task, Work
from baremetal_backend.conductor.power import switch
from baremetal_backend.core.errors import InvalidState
from baremetal_backend.core.lanes import BACKGROUND, LaneName
from baremetal_backend.core.power_sync import Row
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import Steps


@dataclass(frozen=True, slots=True)
class Restore:
    """Background work: it has the node if nothing happened to the node."""

    #: The node as it was when its power state was read.
    seen: Row
    goal: str
    reason: str

    @property
    def name(self) -> str:
        """For people."""
        return "restore the power state"

    @property
    def topic(self) -> str:
        """The history's event type."""
        return "power"

    @property
    def lane(self) -> LaneName:
        """Whose threads do it."""
        return BACKGROUND

    @property
    def work(self) -> Work:
        """Switch it."""

        def work(task: Task) -> Steps[End | None]:
            yield from switch(task, self.goal)
            return None

        return work

    def begin(self, node: Node, now: str) -> Decision:
        """Show the target. Errors: InvalidState (not as it was seen)."""
        if not self.seen.is_still(node):
            raise InvalidState(
                f"Node {node.uuid} is not as it was when its power state was "
                "read."
            )
        return Decision({"target_power_state": self.goal}, self.reason)

    def end(self, node: Node, end: End, now: str) -> Decision:
        """Show the state that was reached."""
        changes: dict[str, Any] = {"target_power_state": None}
        return Decision(
            changes | dict(end.changes),
            f'power state is "{node.power_state}" again',
        )

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """Show that it was missed."""
        error = f'Failed to switch back to "{self.goal}": {sentence}'
        return Decision(
            {"target_power_state": None, "last_error": error}, error
        )


__all__ = ["Restore"]
