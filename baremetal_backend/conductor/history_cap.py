# SPDX-License-Identifier: Apache-2.0
"""Keeps the history of nodes from growing for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from baremetal_backend.drivers.periodics import Manager, driver_periodic_task
from baremetal_backend.storage.history import History

LOG = logging.getLogger(__name__)


class HistoryCap:
    """Removes old events. Each conductor does it; they don't disturb."""

    def __init__(self, history: History, option: Callable[[str], Any]) -> None:
        self._history = history
        self._option = option

    # Also at the start: many processes don't live for a day.
    @driver_periodic_task(
        "conductor.node_history_cleanup_interval",
        parallel=False,
        run_immediately=True,
    )
    def remove_old_events(self, manager: Manager, context: Any) -> None:
        """Remove what is beyond ``node_history_max_entries`` of a node."""
        most = int(self._option("conductor.node_history_max_entries"))
        if not most:
            return
        removed = self._history.trim(
            max_entries=most,
            minimum_days=int(
                self._option("conductor.node_history_minimum_days")
            ),
            batch=int(
                self._option("conductor.node_history_cleanup_batch_count")
            ),
        )
        if removed:
            LOG.info("Removed %d old events of nodes.", removed)


__all__ = ["HistoryCap"]
