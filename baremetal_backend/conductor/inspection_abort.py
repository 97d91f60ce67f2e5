# SPDX-License-Identifier: Apache-2.0
"""An inspection that is not wanted any more: whoever inspects is told first.

The node fails afterwards, whatever the telling came to. An interface that has
nobody to tell costs nothing.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from baremetal_backend.conductor.continuation import unchanged
from baremetal_backend.conductor.operation import Operation
from baremetal_backend.conductor.verbs.abort import of_inspection
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.core.errors import BackendError
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import InspectInterface
from baremetal_backend.drivers.loader import Driver

LOG = logging.getLogger(__name__)

# Seconds that the hook may take; its contract is a few.
_DEADLINE = 20.0


def abort(node: Node, driver: Driver, lane: Lane) -> Operation:
    """Tell whoever inspects the node, then say how the node fails.

    ``node``: as it was seen in "inspect wait". Takes twenty seconds at most.
    Errors: NoFreeWorker, and nobody was told.
    """
    return of_inspection(node, _tell(node, driver, lane), unchanged(node))


def _tell(node: Node, driver: Driver, lane: Lane) -> str | None:
    """What went wrong; None: it was told, or there is nobody to tell."""
    try:
        inspect = driver.inspect
    except BackendError as error:
        return error.message
    if type(inspect).abort is InspectInterface.abort:
        return None
    told: Future[None] = Future()

    def work() -> None:
        try:
            inspect.abort(node)
        except BaseException as error:
            told.set_exception(error)
        else:
            told.set_result(None)

    lane.admit(work)
    try:
        raised = told.exception(_DEADLINE)
    except FutureTimeout:
        trouble = f"no answer within {_DEADLINE:g} s"
    else:
        if raised is None:
            return None
        trouble = _words(node, raised)
    LOG.warning("Node %s: can't end its inspection: %s", node.uuid, trouble)
    return trouble


def _words(node: Node, error: BaseException) -> str:
    if isinstance(error, BackendError):
        return error.message
    LOG.error("Node %s: a fault in abort", node.uuid, exc_info=error)
    return f"{type(error).__name__}: {error}"


__all__ = ["abort"]
