# SPDX-License-Identifier: Apache-2.0
"""``clean``: run the steps that an operator names; also what cleaning is.

Automated cleaning (``provide``, ``deleted``) runs the steps with a priority,
the highest first. Both end with the node switched off: on the way to
``manageable`` or to ``available``, as the node's target says.
"""

from __future__ import annotations

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.conductor.steps import Outcome
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core import steps as core
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import MANAGEABLE
from baremetal_backend.drivers.base import POWER_OFF, Steps


def operation(request: Request) -> Provisioning:
    """Run the request's steps. Errors: InvalidParameterValue."""
    request.validate("power", "network")
    asked = request.params.clean_steps
    if not asked:
        raise InvalidParameterValue(
            "clean_steps: name at least one step for manual cleaning."
        )
    plan = core.requested(
        "clean",
        steps.offers(request.driver, "clean"),
        asked,
        request.params.disable_ramdisk,
    )

    def work(task: Task) -> Steps[End | None]:
        outcome = yield from steps.begin(task, "clean", plan)
        end = yield from _after(task, outcome)
        return end

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
    if not is_wanted(task.node, settings):
        return _end(task.node)
    offers = core.with_priorities(
        steps.offers(task.driver, "clean"), settings.clean_step_priorities
    )
    outcome = yield from steps.begin(task, "clean", core.automated(offers))
    end = yield from _after(task, outcome)
    return end


def rest(task: Task) -> Steps[End | None]:
    """Go on after a step that waited, or held."""
    outcome = yield from steps.go_on(task, "clean")
    end = yield from _after(task, outcome)
    return end


def _after(task: Task, outcome: Outcome) -> Steps[End]:
    interruption = steps.interruption(task, outcome)
    if interruption is not None:
        return interruption
    yield from switch(task, POWER_OFF)
    return _end(task.node)


def _end(node: Node) -> End:
    manual = node.target_provision_state == MANAGEABLE
    return End("withhold" if manual or node.retired else "done")
