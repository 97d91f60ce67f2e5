# SPDX-License-Identifier: Apache-2.0
"""``active`` and ``rebuild``: put an instance onto the node and boot it.

What is done is a list of steps: those that the node's interfaces always run,
and the request's, in the order of their priorities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core import steps as core
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import Steps, finish


def operation(request: Request) -> Provisioning:
    """Deploy what ``instance_info`` says, with the request's config drive.

    Errors: HardwareRefused, InvalidParameterValue (steps that nobody has).
    """
    request.validate("power", "management", "boot", "deploy", "storage")
    offers = core.with_priorities(
        steps.offers(request.driver, "deploy"),
        request.settings.deploy_step_priorities,
    )
    plan = core.merged(offers, request.params.deploy_steps)
    configdrive = request.params.configdrive

    def begin(node: Node, now: str) -> Mapping[str, Any]:
        if configdrive is None:
            return {}
        return {
            "instance_info": {
                **node.instance_info,
                "configdrive": configdrive,
            }
        }

    def work(task: Task) -> Steps[End | None]:
        yield from finish(task.driver.storage.attach_volumes(task))
        outcome = yield from steps.begin(task, "deploy", plan)
        return steps.interruption(task, outcome)

    return Provisioning(request.verb, work, begin)


def rest(task: Task) -> Steps[End | None]:
    """Go on after a step that waited, or held."""
    outcome = yield from steps.go_on(task, "deploy")
    return steps.interruption(task, outcome)
