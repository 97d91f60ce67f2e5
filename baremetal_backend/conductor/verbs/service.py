# SPDX-License-Identifier: Apache-2.0
"""``service``: run steps that an operator names beside an instance.

The node is left as the steps leave it; nothing is switched.
"""

from __future__ import annotations

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core import steps as core
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.drivers.base import Steps


def operation(request: Request) -> Provisioning:
    """Run the request's steps. Errors: InvalidParameterValue."""
    request.validate("power", "management")
    asked = request.params.service_steps
    if not asked:
        raise InvalidParameterValue("service_steps: name at least one step.")
    plan = core.requested(
        "service",
        steps.offers(request.driver, "service"),
        asked,
        request.params.disable_ramdisk,
    )

    def work(task: Task) -> Steps[End | None]:
        outcome = yield from steps.begin(task, "service", plan)
        return steps.interruption(task, outcome)

    return Provisioning(request.verb, work)


def rest(task: Task) -> Steps[End | None]:
    """Go on after a step that waited, or held."""
    outcome = yield from steps.go_on(task, "service")
    return steps.interruption(task, outcome)
