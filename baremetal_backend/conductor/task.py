# SPDX-License-Identifier: Apache-2.0
"""The task manager: the exclusive use of a node, from begin to end.

``spawn_after(node, operation)`` does for every operation the same:

1. the operation's ``begin`` is asked whether the request is possible; this
   writes nothing;
2. a worker is asked for; without one the node stays as it is (503);
3. in the worker, one transaction takes the node (if it still is as it was
   seen) and writes state, target, reason and history; only then the caller
   gets its answer;
4. the work runs; while it pauses, no thread is held;
5. its end or its failure is decided and written in one transaction that also
   gives the node back. A database that does not answer is asked again.

Work cannot end in another way: whatever it raises is its failure, with a
sentence in ``last_error`` and in the log. Nothing is rolled back, since
nothing was written before the work began.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import (
    Decision,
    End,
    Operation,
    transition_changes,
)
from baremetal_backend.conductor.timer import Timer
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import (
    BackendError,
    NodeChanged,
    NodeLocked,
    NodeNotFound,
    NoFreeWorker,
    ShuttingDown,
    StorageUnavailable,
)
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.core.states import process_event
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers.base import Steps
from baremetal_backend.drivers.loader import Driver, Registry
from baremetal_backend.storage import Lost, Storage

LOG = logging.getLogger(__name__)

# Seconds that a caller waits for its decision to be applied. A worker that
# was granted starts at once; this is for a database that hangs.
_APPLY_DEADLINE = 30.0

# Tries to take a node that others write to without reserving it.
_TAKE_ATTEMPTS = 10

# Seconds between two tries to write an end: doubled up to this.
_LONGEST_RETRY = 30.0


class TaskNode:
    """A node in exclusive use. Owned by the thread that runs the work."""

    def __init__(self, manager: TaskManager, node: Node, topic: str) -> None:
        self._manager = manager
        self._node = node
        self._topic = topic

    @property
    def node(self) -> Node:
        """The node as of the last write."""
        return self._node

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        return self._manager.registry.driver(self._node)

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._manager.now

    def save(self, **changes: Any) -> Node:
        """Write fields. Errors: NodeLocked when the node was taken away."""
        return self._write(changes, None)

    def advance(self, event: str, **changes: Any) -> None:
        """Apply an event, with other changes, in one transaction."""
        step = process_event(
            self._node.provision_state,
            event,
            self._node.target_provision_state,
        )
        decision = Decision(
            transition_changes(step, self.now) | changes, step.reason
        )
        self._write(
            decision.changes,
            self._manager.event(self._node, self._topic, decision.reason),
        )
        LOG.info("Node %s: %s", self._node.uuid, decision.reason)

    def _write(self, changes: Any, event: HistoryEvent | None) -> Node:
        result = self._manager.storage.nodes.change(
            self._node.uuid,
            changes,
            reserved_by=self._manager.host,
            event=event,
        )
        if isinstance(result, Lost):
            raise NodeLocked(
                self._node.uuid, result.current.reservation or "nobody"
            )
        self._node = result.record
        return self._node


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the task manager works with."""

    #: Name under which it reserves nodes.
    host: str
    settings: ConductorSettings
    storage: Storage
    registry: Registry
    lane: Lane
    timer: Timer
    #: Seconds since the epoch.
    clock: Callable[[], float]


class TaskManager:
    """Gives nodes to operations. Owned by the conductor, shared by threads."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.host = surroundings.host
        self.storage = surroundings.storage
        self.registry = surroundings.registry
        self._settings = surroundings.settings
        self._lane = surroundings.lane
        self._timer = surroundings.timer
        self._clock = surroundings.clock
        self._changed = threading.Condition()
        self._running = 0
        self._releases = 0
        self._closed = False

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return timestamp(self._clock())

    @property
    def running(self) -> int:
        """Operations that have a node, also paused ones."""
        return self._running

    def close(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_idle(self, seconds: float) -> bool:
        """Wait for all operations to end; False if some did not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    # -- long operations ------------------------------------------------------

    def spawn_after(self, node_id: str, operation: Operation) -> None:
        """Begin an operation; returns once the node shows that it began.

        Errors: NodeNotFound, NodeLocked, NoFreeWorker, ShuttingDown,
        StorageUnavailable, and all with which ``operation.begin`` refuses.
        """
        for node in self.attempts(node_id):
            decision = operation.begin(node, self.now)
            if node.reservation is not None:
                continue
            try:
                if decision.final:
                    self._write_final(node, operation)
                else:
                    self._start(node, operation)
            except NodeLocked:
                continue
            return

    def attempts(self, node_id: str) -> Iterator[Node]:
        """The node, again and again until the configured patience ends."""
        for left in range(self._settings.node_locked_retry_attempts, -1, -1):
            if self._closed:
                raise ShuttingDown(self.host)
            releases = self._releases
            node = self.storage.nodes.get(node_id)
            yield node
            if left:
                self._wait_released(releases)
        holder = self.storage.nodes.get(node.uuid).reservation or self.host
        raise NodeLocked(
            node.uuid,
            holder,
            retry_after=max(1.0, self._settings.node_locked_retry_interval),
        )

    def _wait_released(self, seen: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._releases != seen or self._closed,
                self._settings.node_locked_retry_interval,
            )

    def _write_final(self, node: Node, operation: Operation) -> None:
        """A decision that needs no work: one write, no reservation."""
        for _ in range(_TAKE_ATTEMPTS):
            decision = operation.begin(node, self.now)
            result = self.storage.nodes.change(
                node.uuid,
                decision.changes,
                seen_version=node.version,
                unreserved=True,
                event=self.event(node, operation.topic, decision.reason),
            )
            if not isinstance(result, Lost):
                LOG.info("Node %s: %s", node.uuid, decision.reason)
                return
            node = _unlocked(result.current)
        raise NodeChanged(f"Node {node.uuid}")

    def _start(self, node: Node, operation: Operation) -> None:
        begun: Future[None] = Future()
        with self._changed:
            if self._closed:
                raise ShuttingDown(self.host)
            self._running += 1
        try:
            self._lane.admit(lambda: self._first_run(begun, node, operation))
        except BaseException:
            self._left()
            raise
        try:
            begun.result(_APPLY_DEADLINE)
        except FutureTimeout:
            if begun.cancel():
                raise NoFreeWorker(retry_after=5.0) from None
            raise StorageUnavailable(
                "The database did not answer in time; the request may still "
                "be carried out.",
                retry_after=5.0,
            ) from None

    def _first_run(
        self, begun: Future[None], node: Node, operation: Operation
    ) -> None:
        if not begun.set_running_or_notify_cancel():
            self._left()
            return
        try:
            taken = self._take(node, operation)
        except BaseException as error:
            self._left()
            begun.set_exception(error)
            return
        begun.set_result(None)
        task = TaskNode(self, taken, operation.topic)
        self._run(task, operation, self._work(task, operation))

    def _take(self, node: Node, operation: Operation) -> Node:
        """Reserve the node and write the beginning, in one transaction."""
        for _ in range(_TAKE_ATTEMPTS):
            decision = operation.begin(node, self.now)
            result = self.storage.nodes.change(
                node.uuid,
                {**decision.changes, "reservation": self.host},
                seen_version=node.version,
                unreserved=True,
                event=self.event(node, operation.topic, decision.reason),
            )
            if not isinstance(result, Lost):
                LOG.info("Node %s: %s", node.uuid, decision.reason)
                return result.record
            node = _unlocked(result.current)
        raise NodeChanged(f"Node {node.uuid}")

    def _work(self, task: TaskNode, operation: Operation) -> Steps[Decision]:
        """The work, with its end or its failure as a decision."""
        try:
            end = (yield from operation.work(task)) or End()
            return operation.end(task.node, end, self.now)
        except BackendError as error:
            sentence = error.message
            LOG.error(
                "Node %s: %s failed: %s",
                task.node.uuid,
                operation.name,
                sentence,
            )
        except Exception as error:
            sentence = f"{type(error).__name__}: {error}"
            LOG.exception(
                "Node %s: %s failed with a fault of the software.",
                task.node.uuid,
                operation.name,
            )
        return operation.fail(task.node, sentence, self.now)

    def _run(
        self, task: TaskNode, operation: Operation, work: Steps[Decision]
    ) -> None:
        """Go on until the next pause, or write the end."""
        while True:
            try:
                pause = next(work)
            except StopIteration as stop:
                self._conclude(task, operation, stop.value)
                return
            if pause.seconds > 0:
                self._later(
                    pause.seconds, lambda: self._run(task, operation, work)
                )
                return

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        self._timer.call_later(seconds, lambda: self._lane.go_on(work))

    def _conclude(
        self,
        task: TaskNode,
        operation: Operation,
        decision: Decision,
        wait: float = 1.0,
    ) -> None:
        """Write the end and give the node back; until it is written."""
        node = task.node
        try:
            result = self.storage.nodes.change(
                node.uuid,
                {**decision.changes, "reservation": None},
                reserved_by=self.host,
                event=self.event(
                    node,
                    operation.topic,
                    decision.reason,
                    failed=decision.changes.get("last_error") is not None,
                ),
            )
        except NodeNotFound:
            LOG.warning("Node %s: vanished during its work.", node.uuid)
        except StorageUnavailable:
            LOG.error(
                "Node %s: can't write the end of %s; next try in %.0f s.",
                node.uuid,
                operation.name,
                wait,
            )
            longer = min(2 * wait, _LONGEST_RETRY)
            self._later(
                wait,
                lambda: self._conclude(task, operation, decision, longer),
            )
            return
        else:
            if isinstance(result, Lost):
                LOG.error(
                    "Node %s: was taken away during %s; its end is not "
                    "written: %s",
                    node.uuid,
                    operation.name,
                    decision.reason,
                )
            else:
                LOG.info("Node %s: %s", node.uuid, decision.reason)
        self._left()

    def _left(self) -> None:
        with self._changed:
            self._running -= 1
            self._releases += 1
            self._changed.notify_all()

    # -- short operations -----------------------------------------------------

    @contextmanager
    def exclusive(self, node_id: str, purpose: str) -> Iterator[TaskNode]:
        """The node for a short call in the caller's thread.

        Errors: as ``spawn_after``; what happens inside is the caller's.
        """
        task = self._reserve(node_id, purpose)
        try:
            yield task
        finally:
            self._release(task)

    def _reserve(self, node_id: str, purpose: str) -> TaskNode:
        for node in self.attempts(node_id):
            if node.reservation is not None:
                continue
            with self._changed:
                if self._closed:
                    raise ShuttingDown(self.host)
                self._running += 1
            try:
                result = self.storage.nodes.change(
                    node.uuid, {"reservation": self.host}, unreserved=True
                )
            except BaseException:
                self._left()
                raise
            if isinstance(result, Lost):
                self._left()
                continue
            LOG.debug("Node %s: reserved to %s", node.uuid, purpose)
            return TaskNode(self, result.record, purpose)
        raise AssertionError("unreachable")  # pragma: no cover

    def _release(self, task: TaskNode, wait: float = 1.0) -> None:
        try:
            self.storage.nodes.change(
                task.node.uuid, {"reservation": None}, reserved_by=self.host
            )
        except NodeNotFound:
            LOG.debug("Node %s: is gone.", task.node.uuid)
        except StorageUnavailable:
            longer = min(2 * wait, _LONGEST_RETRY)
            self._later(wait, lambda: self._release(task, longer))
            return
        self._left()

    # -- history --------------------------------------------------------------

    def event(
        self, node: Node, topic: str, reason: str, failed: bool = False
    ) -> HistoryEvent:
        """A record for the node's history."""
        return HistoryEvent(
            uuid=str(uuid.uuid4()),
            node_uuid=node.uuid,
            severity="ERROR" if failed else "INFO",
            event_type=topic,
            event=reason,
            conductor=self.host,
            created_at=self.now,
        )


def _unlocked(node: Node) -> Node:
    if node.reservation is not None:
        raise NodeLocked(node.uuid, node.reservation)
    return node


__all__ = ["Surroundings", "TaskManager", "TaskNode"]
