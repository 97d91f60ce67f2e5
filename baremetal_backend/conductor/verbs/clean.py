# SPDX-License-Identifier: Apache-2.0
"""``clean``: run the steps that an operator names; also what cleaning is.

Automated cleaning (``provide``, ``deleted``) runs the steps with a priority,
the highest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import INTERFACES, Json, Node
from baremetal_backend.drivers.base import POWER_OFF, Steps, finish
from baremetal_backend.drivers.loader import Driver


@dataclass(frozen=True, slots=True)
class Step:
    """A clean step to run."""

    interface: str
    name: str
    args: Json
    priority: int = 0

    def shown(self) -> dict[str, Any]:
        """As in the node's ``clean_step``."""
        return {
            "interface": self.interface,
            "step": self.name,
            "args": dict(self.args),
            "priority": self.priority,
        }


def operation(request: Request) -> Provisioning:
    """Run the request's steps. Errors: InvalidParameterValue."""
    request.validate("power", "network")
    steps = manual_steps(request.driver, request.params.clean_steps)

    def work(task: Task) -> Steps[End | None]:
        yield from run(task, steps)
        return End("withhold", {"clean_step": {}})

    return Provisioning(request.verb, work)


def is_wanted(node: Node, settings: ConductorSettings) -> bool:
    """Whether automated cleaning applies to the node."""
    if node.automated_clean is not None:
        return node.automated_clean
    return settings.automated_clean


def automated(task: Task, settings: ConductorSettings) -> Steps[End]:
    """Clean the node, if that is wanted, and end the journey.

    It ends in ``available``; a retired node stays manageable.
    """
    if is_wanted(task.node, settings):
        yield from run(task, automated_steps(task.driver))
    event = "withhold" if task.node.retired else "done"
    return End(event, {"clean_step": {}})


def run(task: Task, steps: Sequence[Step]) -> Steps[None]:
    """Run steps in order; the node is switched off afterwards."""
    for step in steps:
        task.save(clean_step=step.shown())
        interface = task.driver.find(step.interface)
        if interface is not None:
            yield from finish(
                interface.run_clean_step(task, step.name, step.args)
            )
    yield from switch(task, POWER_OFF)


def automated_steps(driver: Driver) -> list[Step]:
    """All steps with a priority, the highest first."""
    found = [
        Step(kind, one.name, {}, one.priority)
        for kind in INTERFACES
        if (interface := driver.find(kind)) is not None
        for one in interface.clean_steps
        if one.priority > 0
    ]
    return sorted(found, key=lambda step: -step.priority)


def manual_steps(
    driver: Driver, asked: Sequence[Mapping[str, Any]]
) -> list[Step]:
    """The steps of a request. Errors: InvalidParameterValue."""
    if not asked:
        raise InvalidParameterValue(
            "clean_steps: name at least one step for manual cleaning."
        )
    return [_manual_step(driver, one) for one in asked]


def _manual_step(driver: Driver, asked: Mapping[str, Any]) -> Step:
    kind, name = asked.get("interface"), asked.get("step")
    args = asked.get("args") or {}
    interface = driver.find(kind) if kind in INTERFACES else None
    offered = (
        {step.name for step in interface.clean_steps} if interface else ()
    )
    if name not in offered:
        raise InvalidParameterValue(
            f"clean_steps: the node has no step {name} of interface {kind}; "
            f"it has: {_all_steps(driver)}."
        )
    if not isinstance(args, Mapping):
        raise InvalidParameterValue(
            f"clean_steps: args of {kind}.{name} must be an object."
        )
    return Step(str(kind), str(name), args)


def _all_steps(driver: Driver) -> str:
    names = [
        f"{kind}.{step.name}"
        for kind in INTERFACES
        if (interface := driver.find(kind)) is not None
        for step in interface.clean_steps
    ]
    return ", ".join(names) or "none"
