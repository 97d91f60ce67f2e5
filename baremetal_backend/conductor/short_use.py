# SPDX-License-Identifier: Apache-2.0
"""The exclusive use of a node for a call that ends soon, in its own thread."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from types import TracebackType

from baremetal_backend.conductor.held_node import Surroundings, TaskNode
from baremetal_backend.conductor.occupancy import Stay
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.core.errors import NodeNotFound, StorageUnavailable
from baremetal_backend.core.records import HistoryEvent

LOG = logging.getLogger(__name__)

# Seconds between two tries to give a node back: doubled up to this.
_LONGEST_RETRY = 30.0


class ShortUse:
    """Gives the node back at the end of a ``with``, whatever happened.

    ``place``: what else is given back then.
    """

    def __init__(
        self,
        around: Surroundings,
        task: TaskNode,
        stay: Stay,
        lane: Lane,
        place: ExitStack,
    ) -> None:
        self._around = around
        self._task = task
        self._stay = stay
        self._lane = lane
        self._place = place
        stay.write_off = self._write_off

    def __enter__(self) -> TaskNode:
        return self._task

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._place:
            if self._stay.claim_end():
                self._give_back(None)

    def _write_off(self, reason: str) -> None:
        node = self._task.node
        LOG.error("Node %s: %s", node.uuid, reason)
        event = self._around.event(node, "lock", reason, failed=True)
        self._give_back(event)

    def _give_back(
        self, event: HistoryEvent | None, wait: float = 1.0
    ) -> None:
        node = self._task.node
        try:
            self._around.storage.leases.give_back(
                node.uuid, self._task.token, event=event
            )
        except NodeNotFound:
            LOG.debug("Node %s: is gone.", node.uuid)
        except StorageUnavailable:
            LOG.error(
                "Node %s: can't be given back after %s; next try in %.0f s.",
                node.uuid,
                self._stay.purpose,
                wait,
            )
            longer = min(2 * wait, _LONGEST_RETRY)
            self._lane.later(
                self._around.timer,
                wait,
                lambda: self._give_back(event, longer),
            )
            return
        self._stay.leave()
