# SPDX-License-Identifier: Apache-2.0
"""``rescue``: boot a rescue system beside the instance."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    Steps,
    finish,
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


def _rescue(task: Task) -> Steps[End | None]:
    yield from switch(task, POWER_OFF)
    yield from finish(task.driver.rescue.rescue(task))
    yield from switch(task, POWER_ON)
    return None
