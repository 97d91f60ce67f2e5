# SPDX-License-Identifier: Apache-2.0
"""``provide``: make a node available for instances, cleaned."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs import clean
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core.errors import NodeRetired
from baremetal_backend.drivers.base import Steps


def operation(request: Request) -> Provisioning:
    """Clean, then available. Errors: NodeRetired, HardwareRefused."""
    if request.node.retired:
        raise NodeRetired(request.verb, request.node.uuid)
    request.validate("power", "network")

    def work(task: Task) -> Steps[End | None]:
        end = yield from clean.automated(task, request.settings)
        return end

    return Provisioning(request.verb, work)
