# SPDX-License-Identifier: Apache-2.0
"""Ends the waits of nodes for which nothing came for too long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from baremetal_backend.conductor.node_periodic import Report
from baremetal_backend.core.errors import (
    BackendError,
    Conflict,
    NodeNotFound,
    StorageUnavailable,
)
from baremetal_backend.core.waiting import TIMED, Overdue, Wait, Watch
from baremetal_backend.drivers.periodics import Manager, driver_periodic_task

LOG = logging.getLogger(__name__)


class WaitingTimeouts:
    """Remembers since when nodes wait. Owned by its periodic task."""

    def __init__(
        self,
        option: Callable[[str], Any],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._option = option
        self._monotonic = monotonic
        self._watch = Watch()

    @driver_periodic_task(
        "conductor.check_provision_state_interval", parallel=False
    )
    def end_waits(self, manager: Manager, context: Any) -> Report:
        """Fail nodes that waited too long.

        Nodes in maintenance are left alone, and their time begins anew
        afterwards. The time of nodes in use goes on: a poll that has a node
        at each look must not keep it waiting for ever.
        """
        began = now = self._monotonic()
        rows = manager.nodes(
            filters={
                "provision_state_in": TIMED,
                "maintenance": False,
            },
            fields=("provision_state", "provision_updated_at"),
        )
        self._watch = self._watch.see(
            (
                Wait(row.uuid, row.provision_state, row.provision_updated_at)
                for row in rows
            ),
            now,
        )
        overdue = self._watch.overdue(
            lambda name: float(self._option(f"conductor.{name}")), now
        )
        acted = skipped = failed = 0
        for one in overdue:
            try:
                if self._end(one, manager):
                    acted += 1
                else:
                    skipped += 1
            except (NodeNotFound, Conflict):
                skipped += 1
            except StorageUnavailable:
                raise
            except BackendError as error:
                failed += 1
                LOG.error(
                    "Node %s: can't end its wait: %s", one.wait.node, error
                )
        seconds = self._monotonic() - began
        return Report(len(rows), acted, skipped, failed, seconds)

    def _end(self, one: Overdue, manager: Manager) -> bool:
        node = manager.shared(one.wait.node).node
        seen = Wait(node.uuid, node.provision_state, node.provision_updated_at)
        if seen != one.wait or node.maintenance:
            return False
        manager.fail(node.uuid, one.sentence, seen=node)
        return True


__all__ = ["WaitingTimeouts"]
