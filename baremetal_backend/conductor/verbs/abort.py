# SPDX-License-Identifier: Apache-2.0
"""``abort``: don't wait any longer for what was to report."""

from __future__ import annotations

from baremetal_backend.conductor.operation import End, Provisioning, Task
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.drivers.base import Steps


def operation(request: Request) -> Provisioning:
    """From a waiting state to its failure state, at once."""
    return Provisioning(
        request.verb,
        _nothing,
        lambda node, _now: {
            "last_error": f'"{node.provision_state}" was aborted by request.'
        },
    )


def _nothing(task: Task) -> Steps[End | None]:
    yield from ()
    return None
