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
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager

from baremetal_backend.conductor.held_node import Surroundings, TaskNode
from baremetal_backend.conductor.occupancy import Occupancy
from baremetal_backend.conductor.operation import Decision, End, Operation
from baremetal_backend.core.errors import (
    BackendError,
    NodeLocked,
    NodeNotFound,
    NoFreeWorker,
    StorageUnavailable,
)
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.drivers.base import Steps
from baremetal_backend.storage import Changed, Lost

LOG = logging.getLogger(__name__)

# Seconds that a caller waits for its decision to be applied. A worker that
# was granted starts at once; this is for a database that hangs.
_APPLY_DEADLINE = 30.0

# Tries to take a node that others write to without reserving it.
_TAKE_ATTEMPTS = 10

# Seconds between two tries to write an end: doubled up to this.
_LONGEST_RETRY = 30.0


class TaskManager:
    """Gives nodes to operations. Owned by the conductor, shared by threads."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._host = surroundings.host
        self._nodes = surroundings.storage.nodes
        self._settings = surroundings.settings
        self._lane = surroundings.lane
        self._timer = surroundings.timer
        self._occupancy = Occupancy(surroundings.host)

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._around.now

    def event(self, node: Node, topic: str, reason: str) -> HistoryEvent:
        """A record for the node's history."""
        return self._around.event(node, topic, reason)

    @property
    def running(self) -> int:
        """Operations that have a node, also paused ones."""
        return self._occupancy.running

    def close(self) -> None:
        """Begin nothing more."""
        self._occupancy.close()

    def wait_idle(self, seconds: float) -> bool:
        """Wait for all operations to end; False if some did not."""
        return self._occupancy.wait_idle(seconds)

    # -- long operations ------------------------------------------------------

    def spawn_after(self, node_id: str, operation: Operation) -> None:
        """Begin an operation; returns once the node shows that it began.

        Errors: NodeNotFound, NodeLocked, NoFreeWorker, ShuttingDown,
        StorageUnavailable, and all with which ``operation.begin`` refuses.
        """
        for first in self.attempts(node_id):
            node = first
            for _ in range(_TAKE_ATTEMPTS):
                decision = operation.begin(node, self._around.now)
                if node.reservation is not None:
                    break
                result = (
                    self._take(node, decision, operation, reserve=None)
                    if decision.final
                    else self._start(node, decision, operation)
                )
                if not isinstance(result, Lost):
                    return
                # Somebody wrote the node in between: decide anew.
                node = result.current

    def attempts(self, node_id: str) -> Iterator[Node]:
        """The node, again and again until the configured patience ends."""
        for left in range(self._settings.node_locked_retry_attempts, -1, -1):
            self._occupancy.check_open()
            node = self._nodes.get(node_id)
            yield node
            if left:
                self._occupancy.wait_free(
                    node.uuid,
                    node.reservation or self._host,
                    self._settings.node_locked_retry_interval,
                )
        holder = self._nodes.get(node.uuid).reservation or self._host
        raise NodeLocked(
            node.uuid,
            holder,
            retry_after=max(1.0, self._settings.node_locked_retry_interval),
        )

    def _start(
        self, node: Node, decision: Decision, operation: Operation
    ) -> Changed[Node] | Lost[Node]:
        """Let a worker take the node; returns when it has, or could not."""
        begun: Future[Changed[Node] | Lost[Node]] = Future()
        self._occupancy.enter(node.uuid)
        try:
            self._lane.admit(
                lambda: self._first_run(begun, node, decision, operation)
            )
        except BaseException:
            self._occupancy.leave(node.uuid)
            raise
        try:
            return begun.result(_APPLY_DEADLINE)
        except FutureTimeout:
            if begun.cancel():
                raise NoFreeWorker(retry_after=5.0) from None
            raise StorageUnavailable(
                "The database did not answer in time; the request may still "
                "be carried out.",
                retry_after=5.0,
            ) from None

    def _first_run(
        self,
        begun: Future[Changed[Node] | Lost[Node]],
        node: Node,
        decision: Decision,
        operation: Operation,
    ) -> None:
        if not begun.set_running_or_notify_cancel():
            self._occupancy.leave(node.uuid)
            return
        try:
            taken = self._take(node, decision, operation, reserve=self._host)
        except BaseException as error:
            self._occupancy.leave(node.uuid)
            begun.set_exception(error)
            return
        if isinstance(taken, Lost):
            self._occupancy.leave(node.uuid)
            begun.set_result(taken)
            return
        begun.set_result(taken)
        task = TaskNode(self._around, taken.record, operation.topic)
        self._run(task, operation, self._work(task, operation))

    def _take(
        self,
        node: Node,
        decision: Decision,
        operation: Operation,
        reserve: str | None,
    ) -> Changed[Node] | Lost[Node]:
        """Write the beginning, and the reservation, in one transaction."""
        result = self._nodes.change(
            node.uuid,
            {**decision.changes, "reservation": reserve},
            seen_version=node.version,
            unreserved=True,
            event=self._around.event(node, operation.topic, decision.reason),
        )
        if not isinstance(result, Lost):
            LOG.info("Node %s: %s", node.uuid, decision.reason)
        return result

    def _work(self, task: TaskNode, operation: Operation) -> Steps[Decision]:
        """The work, with its end or its failure as a decision."""
        try:
            end = (yield from operation.work(task)) or End()
            return operation.end(task.node, end, self._around.now)
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
        return self._failure(task.node, operation, sentence)

    def _failure(
        self, node: Node, operation: Operation, sentence: str
    ) -> Decision:
        """The failure state; at the least, a node that is given back."""
        try:
            return operation.fail(node, sentence, self._around.now)
        except Exception:
            LOG.exception(
                'Node %s: no failure state for "%s".',
                node.uuid,
                node.provision_state,
            )
            return Decision({"last_error": sentence}, sentence)

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
            result = self._nodes.change(
                node.uuid,
                {**decision.changes, "reservation": None},
                reserved_by=self._host,
                event=self._around.event(
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
        self._occupancy.leave(node.uuid)

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
            self._occupancy.enter(node.uuid)
            try:
                result = self._nodes.change(
                    node.uuid, {"reservation": self._host}, unreserved=True
                )
            except BaseException:
                self._occupancy.leave(node.uuid)
                raise
            if isinstance(result, Lost):
                self._occupancy.leave(node.uuid)
                continue
            LOG.debug("Node %s: reserved to %s", node.uuid, purpose)
            return TaskNode(self._around, result.record, purpose)
        raise AssertionError("unreachable")  # pragma: no cover

    def _release(self, task: TaskNode, wait: float = 1.0) -> None:
        try:
            self._nodes.change(
                task.node.uuid, {"reservation": None}, reserved_by=self._host
            )
        except NodeNotFound:
            LOG.debug("Node %s: is gone.", task.node.uuid)
        except StorageUnavailable:
            longer = min(2 * wait, _LONGEST_RETRY)
            self._later(wait, lambda: self._release(task, longer))
            return
        self._occupancy.leave(task.node.uuid)


__all__ = ["TaskManager"]
