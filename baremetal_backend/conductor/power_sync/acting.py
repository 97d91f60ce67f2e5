# SPDX-License-Identifier: Apache-2.0
"""Carries out what was decided: writes in batches, switches in the background.

A write that finds the node otherwise than it was seen is dropped, and the
node is asked again: the hardware is the one that knows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from baremetal_backend.conductor.node_event import node_event
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.asking import Asking
from baremetal_backend.conductor.power_sync.restore import Restore
from baremetal_backend.conductor.power_sync.roster import (
    Followed,
    Restored,
    Roster,
)
from baremetal_backend.core.errors import BackendError, Unavailable
from baremetal_backend.core.power_sync import Row, Standing, Verdict
from baremetal_backend.storage.power_rows import PowerRows, PowerWrite

LOG = logging.getLogger(__name__)

_TOPICS = {"give up": "maintenance", "recover": "maintenance"}
_LEVELS = {
    "adopt": logging.DEBUG,
    "take over": logging.WARNING,
    "force": logging.WARNING,
    "give up": logging.ERROR,
    "recover": logging.WARNING,
}


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict on a node, and what the node looked like."""

    one: Followed
    row: Row
    verdict: Verdict
    #: What was held against it before.
    before: Standing


class Acting:
    """Owned by the poller, whose thread calls it."""

    def __init__(
        self, context: Context, roster: Roster, rows: PowerRows, asking: Asking
    ) -> None:
        self._context = context
        self._roster = roster
        self._rows = rows
        self._asking = asking

    def write(self, decided: Sequence[Decided]) -> list[Decided]:
        """Write; returns those whose node was not as it was seen any more.

        Errors: StorageUnavailable (nothing, or a part, was written).
        """
        writes = [self._write(one) for one in decided]
        reached = self._rows.write(writes) if writes else set()
        lost = []
        for one in decided:
            if one.row.uuid in reached:
                self._count(one)
            else:
                LOG.debug(
                    "Node %s: what was read is out of date.", one.row.uuid
                )
                lost.append(one)
        self._roster.counts.lost += len(lost)
        return lost

    def _write(self, one: Decided) -> PowerWrite:
        verdict, node = one.verdict, one.one.node
        changes = dict(verdict.changes)
        if (
            verdict.action == "recover"
            and node is not None
            and node.last_error == node.maintenance_reason
        ):
            changes["last_error"] = None
        tasks = self._context.tasks
        event = node_event(
            one.row.uuid,
            _TOPICS.get(verdict.action, "power"),
            verdict.reason,
            host=tasks.around.host,
            now=tasks.now,
            failed=verdict.failed,
        )
        return PowerWrite(one.row, changes, event)

    def _count(self, one: Decided) -> None:
        action = one.verdict.action
        self._roster.counts.actions[action] += 1
        LOG.log(
            _LEVELS[action], "Node %s: %s.", one.row.uuid, one.verdict.reason
        )

    def restore(self, one: Decided) -> None:
        """Begin to switch a node back; the roster is told whether it did."""
        goal = one.verdict.goal
        if goal is None:
            raise ValueError("nothing to switch to")
        operation = Restore(one.row, goal, one.verdict.reason)

        def begin() -> None:
            begun = False
            try:
                self._context.tasks.spawn_after(one.row.uuid, operation)
                begun = True
            except Unavailable as error:
                LOG.info(
                    "Node %s: not switched back yet: %s", one.row.uuid, error
                )
            except BackendError as error:
                LOG.debug(
                    "Node %s: not switched back: %s", one.row.uuid, error
                )
            except Exception:
                LOG.exception("Node %s: not switched back.", one.row.uuid)
            finally:
                self._roster.put(Restored(one.row.uuid, begun))

        self._count(one)
        if not self._asking.run(begin):
            self._roster.put(Restored(one.row.uuid, False))


__all__ = ["Acting", "Decided"]
