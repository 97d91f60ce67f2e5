# SPDX-License-Identifier: Apache-2.0
"""Switching nodes: on a client's request, and as part of other work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import Decision, End, Task, Work
from baremetal_backend.core import journey
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    InvalidStateRequested,
    PowerOffDisabled,
)
from baremetal_backend.core.lanes import OPERATOR, LaneName
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import CLEANING, CLEANWAIT, INSPECTFAIL
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    Steps,
    finish,
)

LOG = logging.getLogger(__name__)

#: What a client may ask for, and the power state that it ends in.
TARGETS: Mapping[str, str] = {
    "power on": POWER_ON,
    "power off": POWER_OFF,
    "rebooting": POWER_ON,
    "soft power off": POWER_OFF,
    "soft rebooting": POWER_ON,
}

# On the way to these, a node is off for a while or for good.
_THROUGH_OFF = frozenset({"power off", "soft power off", "soft rebooting"})

# Somebody who switches a node off here destroys what is being made.
_UNTOUCHABLE = frozenset({CLEANING, CLEANWAIT})

# Whoever inspected a node switches it off after it failed: that must not
# clear the error, which says why.
_SWITCHED_AFTER_FAILING = frozenset({INSPECTFAIL})


@dataclass(frozen=True, slots=True)
class PowerChange:
    """A client's request to switch a node."""

    target: str
    work: Work

    @property
    def name(self) -> str:
        """What was asked for."""
        return self.target

    @property
    def topic(self) -> str:
        """The history's event type."""
        return "power"

    @property
    def lane(self) -> LaneName:
        """Whose threads do it."""
        return OPERATOR

    def begin(self, node: Node, now: str) -> Decision:
        """Show the target. Errors: InvalidStateRequested, PowerOffDisabled."""
        if node.provision_state in _UNTOUCHABLE:
            raise InvalidStateRequested(
                self.target, node.uuid, node.provision_state
            )
        if node.disable_power_off and self.target in _THROUGH_OFF:
            raise PowerOffDisabled(self.target, node.uuid)
        goal = TARGETS[self.target]
        changes: dict[str, Any] = {"target_power_state": goal}
        if node.provision_state not in _SWITCHED_AFTER_FAILING:
            changes["last_error"] = None
        return Decision(
            changes, f'"{node.power_state}" -> "{goal}" on {self.target}'
        )

    def end(self, node: Node, end: End, now: str) -> Decision:
        """Show the state that was reached."""
        changes: dict[str, Any] = {"target_power_state": None}
        changes |= end.changes
        return Decision(changes, f'power state is "{node.power_state}"')

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """Show that the target was missed."""
        error = f'Failed to change power state to "{self.target}": {sentence}'
        return Decision(
            {"target_power_state": None, "last_error": error}, error
        )


def power_change(target: str, timeout: float) -> PowerChange:
    """The operation for a client's request.

    ``timeout``: seconds for the soft variants. Errors:
    InvalidParameterValue for an unknown target.
    """
    if target not in TARGETS:
        raise InvalidParameterValue(
            f'Invalid power state "{target}"; choose one of: '
            f"{', '.join(TARGETS)}."
        )

    def work(task: Task) -> Steps[End | None]:
        power = task.driver.power
        if target == "rebooting":
            yield from finish(power.reboot(task))
            task.save(**journey.switched(task.node, POWER_ON))
            return None
        if target.startswith("soft"):
            yield from finish(power.soft_power_off(task, timeout))
            task.save(**journey.switched(task.node, POWER_OFF))
            if target == "soft rebooting":
                yield from switch(task, POWER_ON)
            return None
        yield from switch(task, TARGETS[target])
        return None

    return PowerChange(target, work)


def switch(task: Task, state: str) -> Steps[None]:
    """Reach a power state as a part of other work, and show it.

    A node that must not be off (``disable_power_off``) is left on.
    """
    if state == POWER_OFF and task.node.disable_power_off:
        LOG.info("Node %s: disable_power_off: it stays on.", task.node.uuid)
        return
    yield from finish(task.driver.power.set_power_state(task, state))
    task.save(**journey.switched(task.node, state))


def boot(task: Task) -> Steps[None]:
    """Let the node boot what was prepared, as a part of other work.

    It was switched off, unless it must not be off: then it is rebooted.
    """
    node = task.node
    if not (node.disable_power_off and node.power_state == POWER_ON):
        yield from switch(task, POWER_ON)
        return
    yield from finish(task.driver.power.reboot(task))
    task.save(**journey.switched(task.node, POWER_ON))


__all__ = ["TARGETS", "PowerChange", "boot", "power_change", "switch"]
