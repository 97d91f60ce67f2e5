# SPDX-License-Identifier: Apache-2.0
"""``inspect``: let the node say what it consists of."""

from __future__ import annotations

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import StepProgress, Steps


def operation(request: Request) -> Provisioning:
    """Inspect, and note when that began and ended."""
    request.validate("power", "inspect")
    return Provisioning(
        request.verb,
        lambda task: _rest(task, task.driver.inspect.inspect_hardware(task)),
        lambda _node, now: {
            "inspection_started_at": now,
            "inspection_finished_at": None,
        },
    )


def rest(task: Task) -> Steps[End | None]:
    """Go on after what was waited for."""
    return _rest(task, task.driver.inspect.continue_inspection(task))


def _rest(task: Task, progress: StepProgress) -> Steps[End | None]:
    waits = yield from steps.waiting(progress)
    if waits:
        return End("wait")
    return End(changes={"inspection_finished_at": task.now})
