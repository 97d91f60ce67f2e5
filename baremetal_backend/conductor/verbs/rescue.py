# SPDX-License-Identifier: Apache-2.0
"""``rescue``: boot a rescue system beside the instance."""

from __future__ import annotations

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import boot, switch
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.drivers.base import (
    POWER_OFF,
    StepProgress,
    Steps,
)

PASSWORD = "rescue_password"  # noqa: S105 - a key


def operation(request: Request) -> Provisioning:
    """Rescue with the request's password. Errors: InvalidParameterValue."""
    password = request.params.rescue_password
    if not password or not password.strip():
        raise InvalidParameterValue("rescue_password: must not be empty.")
    request.validate("power", "rescue")
    return Provisioning(
        request.verb,
        _rescue,
        lambda node, _now: {
            "instance_info": {**node.instance_info, PASSWORD: password}
        },
    )


def rest(task: Task) -> Steps[End | None]:
    """Go on after what was waited for."""
    return _rest(task, task.driver.rescue.continue_rescue(task))


def _rescue(task: Task) -> Steps[End | None]:
    yield from switch(task, POWER_OFF)
    end = yield from _rest(task, task.driver.rescue.rescue(task))
    return end


def _rest(task: Task, progress: StepProgress) -> Steps[End | None]:
    waits = yield from steps.waiting(progress)
    if waits:
        return End("wait")
    yield from boot(task)
    return None
