# SPDX-License-Identifier: Apache-2.0
"""``adopt``: take over a node that carries an instance already."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import Steps


def operation(request: Request) -> Provisioning:
    """Check the node's data, then believe what the operator says."""
    request.validate("power", "management", "boot", "deploy")
    return Provisioning(request.verb, _adopt)


def _adopt(task: Task) -> Steps[End | None]:
    state = task.driver.power.get_power_state(task.node)
    yield from ()
    return End(changes={"power_state": state})
