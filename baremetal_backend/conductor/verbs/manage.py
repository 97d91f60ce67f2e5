# SPDX-License-Identifier: Apache-2.0
"""``manage``: make sure that the node can be controlled.

From ``enroll`` the node is contacted; from a failure state, or from
``available``, nothing has to be done.
"""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import Steps, finish


def operation(request: Request) -> Provisioning:
    """Contact the node and learn its power state."""
    return Provisioning(request.verb, _verify)


def _verify(task: Task) -> Steps[End | None]:
    power = task.driver.power
    power.validate(task.node)
    yield from finish(power.verify(task))
    return End(changes={"power_state": power.get_power_state(task.node)})
