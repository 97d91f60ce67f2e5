# SPDX-License-Identifier: Apache-2.0
"""One run of a ``node_periodic``: this conductor's nodes, one after another.

One query fetches the rows; the predicate sees them before anything else is
asked; a node that it lets through is read anew (or taken) and must still be
what the row said. A node that vanished, that somebody has, or that somebody
wrote in between is skipped: it is looked at again at the next run.

What goes wrong with one node is logged when it is new and counted always; the
run goes on with the next. A database that does not answer ends the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.periodic.collect import Found
from baremetal_backend.core.errors import (
    BackendError,
    Conflict,
    NodeNotFound,
    ShuttingDown,
    StorageUnavailable,
)
from baremetal_backend.core.leases import Busy
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import DriverTask
from baremetal_backend.drivers.periodics import Manager, Stop

LOG = logging.getLogger(__name__)


class Tasks(Protocol):
    """What the task manager does for it."""

    def shared(self, node_id: str) -> DriverTask:
        """The node, without keeping others out. Errors: NodeNotFound."""
        ...

    def try_exclusive(
        self, node_id: str, purpose: str
    ) -> AbstractContextManager[DriverTask] | Busy:
        """The node to itself, or at once a reason why not."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did."""

    #: Nodes of this conductor that the query found.
    looked_at: int = 0
    #: Nodes for which the method was called and returned.
    acted: int = 0
    #: Nodes that vanished, are in use, or changed in between.
    skipped: int = 0
    #: Nodes for which it raised.
    failed: int = 0
    seconds: float = 0.0

    def figures(self) -> Mapping[str, float]:
        """As plain values."""
        return {
            "looked_at": self.looked_at,
            "acted": self.acted,
            "skipped": self.skipped,
            "failed": self.failed,
            "seconds": round(self.seconds, 6),
        }


class NodePeriodicRun:
    """Carries out one task for nodes, run after run. Owned by its task."""

    def __init__(
        self,
        found: Found,
        nodes: OwnNodes,
        tasks: Tasks,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if found.nodes is None or found.interface is None:
            raise ValueError(f"{found.name} is not for nodes")
        self._found = found
        self._what = found.nodes
        self._interface = found.interface
        self._nodes = nodes
        self._tasks = tasks
        self._monotonic = monotonic
        #: Where a run ended that reached its limit.
        self._after: str | None = None
        # Node to what went wrong with it the last time.
        self._said: dict[str, str] = {}

    def __call__(self, manager: Manager, context: Any) -> Report:
        """One run. Errors: StorageUnavailable."""
        began = self._monotonic()
        rows = self._nodes.rows(
            self._interface,
            self._what.filters,
            self._what.predicate_extra_fields,
        )
        count = _Count(self._said)
        self._after = self._go_through(
            _beginning_after(rows, self._after), count, manager, context
        )
        self._said = count.complaints
        report = Report(
            looked_at=len(rows),
            acted=count.acted,
            skipped=count.skipped,
            failed=count.failed,
            seconds=self._monotonic() - began,
        )
        LOG.log(
            logging.INFO if report.failed else logging.DEBUG,
            "%s (%s): looked at %d nodes, acted on %d, skipped %d, failed "
            "for %d, %.3f s.",
            self._what.purpose,
            self._found.name,
            report.looked_at,
            report.acted,
            report.skipped,
            report.failed,
            report.seconds,
        )
        return report

    def _go_through(
        self,
        rows: list[Any],
        count: _Count,
        manager: Manager,
        context: Any,
    ) -> str | None:
        """Returns the node after which the next run has to begin."""
        predicate, limit = self._what.predicate, self._what.limit
        for row in rows:
            try:
                if predicate is not None and not predicate(row):
                    continue
                if not self._act(row, manager, context):
                    count.skipped += 1
                    continue
                count.acted += 1
            except Stop:
                count.acted += 1
                return None
            except (NodeNotFound, Conflict) as error:
                LOG.debug("Node %s: skipped: %s", row.uuid, error)
                count.skipped += 1
            except StorageUnavailable:
                raise
            except ShuttingDown:
                return None
            except Exception as error:
                count.complain(self._what.purpose, row.uuid, error)
            if limit is not None and count.acted + count.failed >= limit:
                return str(row.uuid)
        return None

    def _act(self, row: Any, manager: Manager, context: Any) -> bool:
        """Call the method for a node. False: it is not for it any more."""
        afterwards = _Afterwards(manager)
        with self._task(row) as task:
            if task is None or not self._still(task.node, row):
                return False
            chosen = manager if self._what.shared else afterwards
            try:
                result = self._found.method(task, chosen, context)
            except Stop:
                result = Stop
        afterwards.carry_out()
        if result is Stop or isinstance(result, Stop):
            raise Stop
        return True

    @contextmanager
    def _task(self, row: Any) -> Iterator[DriverTask | None]:
        if self._what.shared:
            yield self._tasks.shared(row.uuid)
            return
        grant = self._tasks.try_exclusive(row.uuid, self._what.purpose)
        if isinstance(grant, Busy):
            LOG.debug("Node %s: skipped: %s", row.uuid, grant.reason)
            yield None
            return
        with grant as task:
            yield task

    def _still(self, node: Node, row: Any) -> bool:
        if not self._nodes.is_mine(node, self._interface, self._found.users):
            return False
        if node.version == row.version:
            return True
        if not self._what.shared:
            # The reservation that it has now is this run's own.
            node = replace(node, reservation=None)
        predicate = self._what.predicate
        return self._what.filters.let_through(node) and (
            predicate is None or predicate(node)
        )


class _Count:
    """What happened so far in a run."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = said
        self.complaints: dict[str, str] = {}
        self._sentences: set[str] = set()
        self.acted = self.skipped = self.failed = 0

    def complain(self, purpose: str, uuid: str, error: Exception) -> None:
        self.failed += 1
        foreign = not isinstance(error, BackendError)
        sentence = sentence_of(error)
        known = self._said.get(uuid) == sentence
        # The traceback of many nodes is the same one.
        seen = sentence in self._sentences
        self._sentences.add(sentence)
        self.complaints[uuid] = sentence
        LOG.log(
            logging.DEBUG if known else logging.ERROR,
            "Node %s: %s failed: %s",
            uuid,
            purpose,
            sentence,
            exc_info=error if foreign and not known and not seen else None,
        )


class _Afterwards:
    """The manager for a method that has the node to itself.

    What needs the node as well waits until the method gave it back.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._calls: list[Callable[[], None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def resume(self, node_id: str, seen: Node | None = None) -> None:
        self._calls.append(lambda: self._manager.resume(node_id, seen))

    def fail(
        self, node_id: str, sentence: str, seen: Node | None = None
    ) -> None:
        self._calls.append(lambda: self._manager.fail(node_id, sentence, seen))

    def carry_out(self) -> None:
        for call in self._calls:
            call()


def sentence_of(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, BackendError):
        return error.message
    return f"{type(error).__name__}: {error}"


def _beginning_after(rows: list[Any], uuid: str | None) -> list[Any]:
    if uuid is None:
        return rows
    for number, row in enumerate(rows):
        if row.uuid == uuid:
            return rows[number + 1 :] + rows[: number + 1]
    return rows


__all__ = ["NodePeriodicRun", "Report", "Tasks", "sentence_of"]
