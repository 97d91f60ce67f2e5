# SPDX-License-Identifier: Apache-2.0
"""Follows the nodes that the service inspects.

A poll asks for all of them at once, holds none of them, and waits for none:
what a node needs is done by the threads of the equipment, one thing per node
at a time. What can't be done because somebody has the node just then, or
wrote it, is done a moment later, and not a whole period. A service that is
not to be had fails no node: that is for the time limit of the wait.

What goes wrong with one node is said when it is new, and is nothing to the
others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from baremetal_backend.core.errors import (
    BackendError,
    Conflict,
    NodeNotFound,
    ShuttingDown,
    Unavailable,
)
from baremetal_backend.core.states import (
    INSPECTFAIL,
    INSPECTING,
    INSPECTWAIT,
    MANAGEABLE,
)
from baremetal_backend.drivers.base import DriverTask, Interface
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd.asking import (
    is_of_one_node,
    status_of,
    statuses_of,
)
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.errors import NoAnswer
from baremetal_backend.drivers.discoverd.finishing import Finishing
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.repeats import Repeats
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.drivers.discoverd.starting import Starting
from baremetal_backend.drivers.discoverd.verdict import (
    NEVER_BEGUN,
    Done,
    Failed,
    Missing,
    NotStarted,
    Waits,
    judge,
)
from baremetal_backend.drivers.periodics import Manager

LOG = logging.getLogger(__name__)

# Seconds after which a node is looked at again that is in use: the service
# switches it off at the end of an inspection, with the end known already.
_IN_USE_AGAIN = 2.0

# The same for one whose conductor has just begun with it.
_BEGINS_AGAIN = 0.5

# The same when the conductor can't do it now: no free worker, no database.
_UNABLE_AGAIN = 3.0


class Polling:
    """Owned by the interface; used by its periodic tasks and the equipment."""

    def __init__(
        self, equipment: InspectionEquipment, names: tuple[str, ...]
    ) -> None:
        """``names``: what its nodes have in ``inspect_interface``."""
        self._equipment = equipment
        self._names = names
        self._finishing = Finishing(equipment)
        self._starting = Starting(equipment, self._finishing)
        self._misses = Repeats()
        # Nodes that a poll found, until nothing is left to do for them.
        self._followed: frozenset[str] = frozenset()
        self._settled: set[str] = set()
        # Node to what went wrong with it the last time.
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    # -- what is done regularly -----------------------------------------------

    def poll(self, interface: Interface, manager: Manager) -> None:
        """See how all inspections of this conductor's nodes are doing."""
        rows = {row.uuid: row for row in _open(interface, manager)}
        left = self._left(rows)
        if not (rows or left) or not self._equipment.may_poll():
            return
        for uuid in left:
            self._equipment.begin(uuid, partial(self._polled, uuid, manager))
        if not rows:
            return
        try:
            found = statuses_of(self._equipment, rows, len(rows))
        except NoAnswer:
            # Said by the equipment.
            return
        begun = sum(self._follow(row, found, manager) for row in rows.values())
        LOG.debug(
            "%d inspections are looked after, %d nodes need something.",
            len(rows),
            begun,
        )

    def _left(self, rows: Collection[str]) -> frozenset[str]:
        """Nodes that were followed and are elsewhere now.

        Their attempts may still be there: somebody managed, deployed or
        changed them before the service had given them up.
        """
        with self._lock:
            left = self._followed - set(rows) - self._settled
            self._settled.clear()
            self._followed = left.union(rows)
            self._said = {
                uuid: said
                for uuid, said in self._said.items()
                if uuid in self._followed
            }
        for memory in (self._misses, self._starting, self._finishing):
            memory.keep(self._followed)
        return left

    def _settle(self, uuid: str) -> None:
        with self._lock:
            self._settled.add(uuid)

    def _follow(
        self,
        row: Any,
        found: Mapping[str, Status] | None,
        manager: Manager,
    ) -> bool:
        """Have done what the node needs; whether it needs something."""
        attempt = attempts.read(row.driver_internal_info)
        urgent, listed = True, None
        if found is not None and row.provision_state == INSPECTWAIT:
            listed = found.get(row.uuid)
            verdict = judge(attempt, listed)
            if not isinstance(verdict, Missing):
                self._misses.forget(row.uuid)
            if (
                isinstance(verdict, Waits)
                and attempt is not None
                and attempt.answered
            ):
                return False
            urgent = not isinstance(verdict, NotStarted)
        self._equipment.begin(
            row.uuid, partial(self._polled, row.uuid, manager, listed), urgent
        )
        return True

    def tick(self, manager: Manager) -> None:
        """Look at the nodes for which it is time."""
        for uuid in self._equipment.take_due():
            work = partial(self.work, uuid, manager)
            if not self._equipment.begin(uuid, work):
                self._equipment.mark_due(uuid, _BEGINS_AGAIN)

    # -- one node, in a thread of the equipment -------------------------------

    def _polled(
        self, uuid: str, manager: Manager, listed: Status | None = None
    ) -> None:
        """For nodes that need not be tried while the service is away."""
        ended = listed is not None and listed.finished
        if ended or self._equipment.may_poll():
            self.work(uuid, manager, listed)

    def work(
        self, uuid: str, manager: Manager, listed: Status | None = None
    ) -> None:
        """Do what the node needs now. Raises nothing.

        ``listed``: the service's record as of a moment ago.
        """
        fault: Exception | None = None
        try:
            self._attend(uuid, manager, listed)
        except NoAnswer as error:
            if is_of_one_node(self._equipment, error):
                fault = error
            LOG.debug(
                "Node %s: is asked for at the next poll: %s", uuid, error
            )
        except NodeNotFound:
            self._settle(uuid)
        except ShuttingDown as error:
            LOG.debug("Node %s: is left to others: %s", uuid, error)
        except Conflict as error:
            LOG.debug("Node %s: is looked at again soon: %s", uuid, error)
            self._equipment.mark_due(uuid, _IN_USE_AGAIN)
        except Unavailable as error:
            LOG.debug("Node %s: is looked at again soon: %s", uuid, error)
            again = error.retry_after or _UNABLE_AGAIN
            self._equipment.mark_due(uuid, again)
        except Exception as error:
            fault = error
        else:
            with self._lock:
                self._said.pop(uuid, None)
        if fault is not None:
            self._complain(uuid, fault)

    def _attend(
        self, uuid: str, manager: Manager, listed: Status | None
    ) -> None:
        task = manager.shared(uuid)
        node = task.node
        attempt = attempts.at(node)
        if node.provision_state == INSPECTING:
            if attempt is not None:
                self._equipment.mark_due(uuid, _BEGINS_AGAIN)
        elif node.provision_state != INSPECTWAIT:
            self._left_behind(task, attempt, manager)
        elif node.inspect_interface not in self._names:
            LOG.debug("Node %s: is inspected by others now.", uuid)
        elif node.reservation is not None:
            self._equipment.mark_due(uuid, _IN_USE_AGAIN)
        elif attempt is None:
            self._finishing.refuse(task, NEVER_BEGUN, manager)
        else:
            self._judged(task, attempt, manager, listed)

    def _left_behind(
        self, task: DriverTask, attempt: Attempt | None, manager: Manager
    ) -> None:
        node = task.node
        if attempt is None:
            self._settle(node.uuid)
        elif node.provision_state == INSPECTFAIL or node.reservation is None:
            self._finishing.clean_up(task, manager)
        # Else the next poll: a deployment, say, takes its time.

    def _judged(
        self,
        task: DriverTask,
        attempt: Attempt,
        manager: Manager,
        status: Status | None,
    ) -> None:
        uuid = task.node.uuid
        # A record of this attempt that is finished changes no more.
        if status is None or not status.finished or not attempt.owns(status):
            status = status_of(self._equipment, uuid)
        verdict = judge(attempt, status, self._misses.of(uuid, attempt))
        if isinstance(verdict, Missing):
            self._misses.count(uuid, attempt)
            return
        self._misses.forget(uuid)
        match verdict:
            case NotStarted():
                self._starting.start(task, attempt, status, manager)
            case Waits():
                self._starting.note(task, attempt)
            case Done():
                self._finishing.finish(uuid, attempt, manager)
            case Failed(sentence):
                self._finishing.fail(uuid, attempt, sentence, manager)

    def _complain(self, uuid: str, error: Exception) -> None:
        foreign = not isinstance(error, BackendError)
        sentence = (
            f"{type(error).__name__}: {error}" if foreign else str(error)
        )
        with self._lock:
            known = self._said.get(uuid) == sentence
            self._said[uuid] = sentence
        LOG.log(
            logging.DEBUG if known else logging.ERROR,
            "Node %s: its inspection can't be followed: %s",
            uuid,
            sentence,
            exc_info=error if foreign and not known else None,
        )


def _open(interface: Interface, manager: Manager) -> list[Any]:
    """Rows of nodes that wait, or that an attempt was left at.

    Those that are managed since: also after a start of this conductor.
    """
    states = (INSPECTWAIT, INSPECTFAIL, MANAGEABLE)
    rows = manager.nodes(
        interface,
        filters={"provision_state_in": states},
        fields=("provision_state", "driver_internal_info"),
    )
    return [
        row
        for row in rows
        if row.provision_state == INSPECTWAIT
        or attempts.read(row.driver_internal_info) is not None
    ]


__all__ = ["Polling"]
