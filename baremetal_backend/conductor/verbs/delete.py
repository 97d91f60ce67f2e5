# SPDX-License-Identifier: Apache-2.0
"""``deleted``: take the instance off, clean the node, hand it out again.

The instance's data is forgotten in the same write that ends the tear-down:
a node in ``cleaning`` never shows an instance.
"""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.power import switch
from baremetal_backend.conductor.verbs import clean
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import POWER_OFF, Steps, finish


def operation(request: Request) -> Provisioning:
    """Tear down, then clean."""
    request.validate("power")

    def work(task: Task) -> Steps[End | None]:
        yield from _tear_down(task)
        task.advance(
            "done",
            instance_uuid=None,
            instance_name=None,
            instance_info={},
            allocation_uuid=None,
            console_enabled=False,
        )
        end = yield from clean.automated(task, request.settings)
        return end

    return Provisioning(request.verb, work)


def _tear_down(task: Task) -> Steps[None]:
    if task.node.console_enabled:
        yield from finish(task.driver.console.stop_console(task))
    yield from switch(task, POWER_OFF)
    yield from finish(task.driver.deploy.tear_down(task))
    yield from finish(task.driver.boot.clean_up_instance(task))
    yield from finish(task.driver.storage.detach_volumes(task))
    yield from finish(task.driver.network.remove_tenant_networks(task))
