# SPDX-License-Identifier: Apache-2.0
"""``unrescue``: boot the instance again."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import boot, switch
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.conductor.verbs.rescue import PASSWORD
from baremetal_backend.drivers.base import (
    POWER_OFF,
    Steps,
    finish,
)


def operation(request: Request) -> Provisioning:
    """Leave the rescue system; its password is forgotten."""
    request.validate("power", "rescue")
    return Provisioning(request.verb, _unrescue)


def _unrescue(task: Task) -> Steps[End | None]:
    yield from switch(task, POWER_OFF)
    yield from finish(task.driver.rescue.unrescue(task))
    yield from boot(task)
    info = dict(task.node.instance_info)
    info.pop(PASSWORD, None)
    return End(changes={"instance_info": info})
