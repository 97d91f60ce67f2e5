# SPDX-License-Identifier: Apache-2.0
"""What each provisioning verb does, one file per verb.

A verb is a function that gets the node as it was seen, its driver and the
request's parameters, and makes the operation: what to check, what to write at
the beginning, what to do. States, locks and failures are not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from baremetal_backend.conductor.operation import Operation
from baremetal_backend.conductor.verbs import (
    abort,
    adopt,
    clean,
    delete,
    deploy,
    inspect,
    manage,
    provide,
    rescue,
    service,
    unhold,
    unrescue,
)
from baremetal_backend.conductor.verbs.request import Request

Maker = Callable[[Request], Operation]

#: Event of ``core.states`` to what makes its operation.
MAKERS: Mapping[str, Maker] = {
    "abort": abort.operation,
    "adopt": adopt.operation,
    "clean": clean.operation,
    "delete": delete.operation,
    "deploy": deploy.operation,
    "inspect": inspect.operation,
    "manage": manage.operation,
    "provide": provide.operation,
    "rebuild": deploy.operation,
    "rescue": rescue.operation,
    "service": service.operation,
    "unhold": unhold.operation,
    "unrescue": unrescue.operation,
}

__all__ = ["MAKERS", "Request"]
