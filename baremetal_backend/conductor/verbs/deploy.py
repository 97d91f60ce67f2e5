# SPDX-License-Identifier: Apache-2.0
"""``active`` and ``rebuild``: put an instance onto the node and boot it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import POWER_ON, Steps, finish


def operation(request: Request) -> Provisioning:
    """Deploy what ``instance_info`` says, with the request's config drive.

    Errors: HardwareRefused, InvalidParameterValue (steps that nobody has).
    """
    if request.params.deploy_steps:
        raise InvalidParameterValue(
            "deploy_steps: the node's interfaces have none that a request "
            "may name."
        )
    request.validate("power", "management", "boot", "deploy", "storage")
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

    return Provisioning(request.verb, _deploy, begin)


def _deploy(task: Task) -> Steps[End | None]:
    yield from finish(task.driver.storage.attach_volumes(task))
    yield from finish(task.driver.deploy.deploy(task))
    yield from finish(task.driver.boot.prepare_instance(task))
    yield from switch(task, POWER_ON)
    return None
