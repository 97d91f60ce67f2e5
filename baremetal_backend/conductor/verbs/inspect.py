# SPDX-License-Identifier: Apache-2.0
"""``inspect``: let the node say what it consists of."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import Steps, finish


def operation(request: Request) -> Provisioning:
    """Inspect, and note when that began and ended."""
    request.validate("power", "inspect")
    return Provisioning(
        request.verb,
        _inspect,
        lambda _node, now: {
            "inspection_started_at": now,
            "inspection_finished_at": None,
        },
    )


def _inspect(task: Task) -> Steps[End | None]:
    yield from finish(task.driver.inspect.inspect_hardware(task))
    return End(changes={"inspection_finished_at": task.now})
