# SPDX-License-Identifier: Apache-2.0
"""Runs a node's plan of steps, one after the other.

Before a step begins, the node shows it. A step that waits, or holds, ends the
run: the node is given back with its place kept, and whoever goes on later
begins after the present step. A step that raises ends the work, like anything
else that raises; the failure's sentence finds the step at the node.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Mapping, Sequence

from baremetal_backend.conductor.operation import End, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.core import journey
from baremetal_backend.core import steps as core
from baremetal_backend.core.errors import InternalError, PowerOffDisabled
from baremetal_backend.core.states import STATES, StepKind
from baremetal_backend.core.steps import Offers, PlannedStep
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    WAIT,
    Pause,
    StepProgress,
    Steps,
    finish,
)
from baremetal_backend.drivers.loader import Driver


class Outcome(enum.Enum):
    """How a run of steps ended that did not fail."""

    DONE = "done"
    #: The present step goes on by itself; somebody reports its end.
    WAIT = "wait"
    #: A person was asked to look at the node.
    HOLD = "hold"
    #: An abort was asked for during a step that could not be interrupted.
    ABORTED = "aborted"


def offers(driver: Driver, kind: StepKind) -> Offers:
    """The steps of this kind that a node's interfaces have, in order."""
    return {
        (interface, name): step
        for interface in core.ORDER
        if (found := driver.find(interface)) is not None
        for name, step in found.steps(kind).items()
    }


def begin(
    task: Task, kind: StepKind, plan: Sequence[PlannedStep]
) -> Steps[Outcome]:
    """Run a plan from its first step on."""
    if not plan:
        return Outcome.DONE
    task.save(**journey.begun(task.node, kind, plan))
    outcome = yield from go_on(task, kind)
    return outcome


def go_on(task: Task, kind: StepKind) -> Steps[Outcome]:
    """Run the rest of the node's plan, after the present step."""
    if journey.abort_wanted(task.node, kind):
        return Outcome.ABORTED
    plan = journey.plan(task.node, kind)
    present = journey.index(task.node, kind)
    first = 0 if present is None else present + 1
    for index in range(first, len(plan)):
        task.save(**journey.at(task.node, kind, index))
        outcome = yield from _perform(task, kind, plan[index])
        if outcome is not Outcome.DONE:
            return outcome
    if plan:
        task.save(**journey.finished(task.node, kind))
    return Outcome.DONE


def interruption(task: Task, outcome: Outcome) -> End | None:
    """How the work ends now; None: it goes on, all steps are done."""
    if outcome is Outcome.DONE:
        return None
    if outcome is Outcome.ABORTED:
        return End("fail", journey.aborted(task.node))
    return End(outcome.value)


def waiting(progress: StepProgress) -> Steps[bool]:
    """Do what a driver's method left to do; True when it ends with WAIT.

    Errors: InternalError for a result that is neither None nor WAIT.
    """
    result = progress
    if isinstance(progress, Generator):
        result = yield from progress
    if result is not None and result is not WAIT:
        raise InternalError(
            f"The driver returned {type(result).__name__}; only None, WAIT "
            "and a generator of pauses mean something."
        )
    return result is WAIT


def _perform(task: Task, kind: StepKind, step: PlannedStep) -> Steps[Outcome]:
    if step.name == "hold":
        return _possible(task, Outcome.HOLD)
    if step.reserved:
        yield from _RESERVED[step.name](task, step)
        return Outcome.DONE
    interface = task.driver.find(step.interface)
    if interface is None or step.name not in interface.steps(kind):
        raise InternalError("the node's interfaces do not have it any more.")
    method: Callable[..., StepProgress] = getattr(interface, step.name)
    waits = yield from waiting(method(task, **step.args))
    return _possible(task, Outcome.WAIT) if waits else Outcome.DONE


def _possible(task: Task, outcome: Outcome) -> Outcome:
    state = task.node.provision_state
    if outcome.value not in STATES[state].events:
        raise InternalError(f'a node can not {outcome.value} in "{state}".')
    return outcome


def _power_off(task: Task, step: PlannedStep) -> Steps[None]:
    if task.node.disable_power_off:
        raise PowerOffDisabled(step.name, task.node.uuid)
    yield from switch(task, POWER_OFF)


def _reboot(task: Task, step: PlannedStep) -> Steps[None]:
    yield from finish(task.driver.power.reboot(task))
    task.save(**journey.switched(task.node, POWER_ON))


def _wait(task: Task, step: PlannedStep) -> Steps[None]:
    yield Pause(float(step.args["seconds"]))


_RESERVED: Mapping[str, Callable[[Task, PlannedStep], Steps[None]]] = {
    "power_on": lambda task, step: switch(task, POWER_ON),
    "power_off": _power_off,
    "reboot": _reboot,
    "wait": _wait,
}


__all__ = [
    "Outcome",
    "begin",
    "go_on",
    "interruption",
    "offers",
    "waiting",
]
