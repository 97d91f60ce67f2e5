# SPDX-License-Identifier: Apache-2.0
"""``manage``: make sure that the node can be controlled.

From ``enroll`` the node is contacted, and its verify steps are run; from a
failure state, or from ``available``, nothing has to be done.
"""

from __future__ import annotations

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core import steps as core
from baremetal_backend.core.states import ENROLL
from baremetal_backend.drivers.base import Steps, finish


def operation(request: Request) -> Provisioning:
    """Contact the node and learn its power state.

    Errors: HardwareRefused for a new node whose data won't do: what can be
    told without contacting it is told at once.
    """
    if request.node.provision_state == ENROLL:
        request.validate("power")
    settings = request.settings
    return Provisioning(request.verb, lambda task: _verify(task, settings))


def _verify(task: Task, settings: ConductorSettings) -> Steps[End | None]:
    power = task.driver.power
    # The node's data may have changed since the request came.
    power.validate(task.node)
    yield from finish(power.verify(task))
    offers = core.with_priorities(
        steps.offers(task.driver, "verify"), settings.verify_step_priorities
    )
    yield from steps.begin(task, "verify", core.automated(offers))
    return End(changes={"power_state": power.get_power_state(task.node)})
