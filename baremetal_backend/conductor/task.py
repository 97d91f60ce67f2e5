# SPDX-License-Identifier: Apache-2.0
"""The task manager: who gets a node, and when.

``spawn_after(node, operation)`` does for every operation the same:

1. the operation's ``begin`` is asked whether the request is possible; this
   writes nothing;
2. a worker of the operation's lane is asked for; without one the node stays
   as it is (503);
3. in the worker, one transaction takes the node (if it still is as it was
   seen) and writes lease, state, target, reason and history; only then the
   caller gets its answer;
4. the work takes its course (``conductor.course``), which ends by giving the
   node back.

Nothing is rolled back, since nothing was written before the work began.

Calls that end soon have the node in their own thread (``exclusive``).
Background work gets a node only if it is free and nobody waits for it
(``try_exclusive``), or looks without taking it (``shared``).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack, contextmanager

from baremetal_backend.conductor.course import Course
from baremetal_backend.conductor.held_node import Surroundings, TaskNode
from baremetal_backend.conductor.occupancy import Occupancy, Stay
from baremetal_backend.conductor.operation import Decision, Operation
from baremetal_backend.conductor.queue import Queue
from baremetal_backend.conductor.shared_node import SharedNode
from baremetal_backend.conductor.short_use import ShortUse
from baremetal_backend.conductor.watch import Watch
from baremetal_backend.core.errors import (
    NoFreeWorker,
    StorageUnavailable,
    Unavailable,
)
from baremetal_backend.core.lanes import BACKGROUND, OPERATOR, LaneName
from baremetal_backend.core.leases import Busy, Stalled, in_use
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.storage import Changed, Lost

LOG = logging.getLogger(__name__)

# Seconds that a caller waits for its decision to be applied. A worker that
# was granted starts at once; this is for a database that hangs.
_APPLY_DEADLINE = 30.0

# Tries to take a node that others write to without reserving it.
_TAKE_ATTEMPTS = 10


class TaskManager:
    """Gives nodes to operations. Owned by the conductor, shared by threads."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._nodes = surroundings.storage.nodes
        self._leases = surroundings.storage.leases
        self._lanes = surroundings.lanes
        self._occupancy = Occupancy(lambda: surroundings.host)
        self._queue = Queue(surroundings, self._occupancy)
        self._watch = Watch(surroundings, self._occupancy)

    @property
    def around(self) -> Surroundings:
        """What the conductor's other parts share with it."""
        return self._around

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._around.now

    def event(
        self, node: Node, topic: str, reason: str, failed: bool = False
    ) -> HistoryEvent:
        """A record for the node's history."""
        return self._around.event(node, topic, reason, failed)

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
                    self._apply(node, decision, operation)
                    if decision.final
                    else self._start(node, decision, operation)
                )
                if not isinstance(result, Lost):
                    return
                # Somebody wrote the node in between: decide anew.
                node = result.current

    def _apply(
        self, node: Node, decision: Decision, operation: Operation
    ) -> Changed[Node] | Lost[Node]:
        """Write a decision that needs no work."""
        result = self._nodes.change(
            node.uuid,
            decision.changes,
            seen_version=node.version,
            unreserved=True,
            event=self._begun(node, decision, operation),
        )
        if isinstance(result, Changed):
            LOG.info("Node %s: %s", node.uuid, decision.reason)
        return result

    def _start(
        self, node: Node, decision: Decision, operation: Operation
    ) -> Changed[Node] | Lost[Node]:
        """Let a worker take the node; returns when it has, or could not."""
        begun: Future[Changed[Node] | Lost[Node]] = Future()
        stay = self._occupancy.enter(node.uuid, operation.name)
        try:
            self._lanes.of(operation.lane).admit(
                lambda: self._first_run(begun, stay, node, decision, operation)
            )
        except BaseException:
            stay.leave()
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
        stay: Stay,
        node: Node,
        decision: Decision,
        operation: Operation,
    ) -> None:
        if not begun.set_running_or_notify_cancel():
            stay.leave()
            return
        try:
            taken = self._take(
                node.uuid,
                operation.name,
                operation.lane,
                decision=decision,
                seen_version=node.version,
                event=self._begun(node, decision, operation),
            )
        except BaseException as error:
            stay.leave()
            begun.set_exception(error)
            return
        if isinstance(taken, Lost):
            stay.leave()
            begun.set_result(taken)
            return
        LOG.info("Node %s: %s", node.uuid, decision.reason)
        task = TaskNode(self._around, taken.record, operation.topic, stay)
        course = Course(self._around, task, operation, stay)
        begun.set_result(taken)
        course.run()

    def _begun(
        self, node: Node, decision: Decision, operation: Operation
    ) -> HistoryEvent:
        return self._around.event(node, operation.topic, decision.reason)

    def _take(
        self,
        uuid: str,
        purpose: str,
        lane: LaneName,
        *,
        decision: Decision | None = None,
        seen_version: int | None = None,
        event: HistoryEvent | None = None,
    ) -> Changed[Node] | Lost[Node]:
        """Write the lease, and a beginning, in one transaction."""
        self._around.check_active()
        return self._leases.take(
            uuid,
            self._around.identity(),
            purpose,
            lane=lane,
            expires_at=self._around.expiry,
            changes=decision.changes if decision is not None else None,
            seen_version=seen_version,
            event=event,
        )

    def attempts(self, node_id: str) -> Iterator[Node]:
        """The node, again and again until the configured patience ends.

        Errors: NodeNotFound, NodeLocked, ShuttingDown, ConductorDemoted.
        """
        return self._queue.attempts(node_id)

    # -- short operations -----------------------------------------------------

    @contextmanager
    def exclusive(
        self, node_id: str, purpose: str, lane: LaneName = OPERATOR
    ) -> Iterator[TaskNode]:
        """The node for a short call in the caller's thread.

        ``lane``: whose place it takes; a client's request takes the node away
        from background work that has it for too long. Errors: as
        ``spawn_after``; what happens inside is the caller's.
        """
        with self._reserve(node_id, purpose, lane) as task:
            yield task

    def _reserve(self, node_id: str, purpose: str, lane: LaneName) -> ShortUse:
        for node in self.attempts(node_id):
            if node.reservation is not None:
                continue
            use = self._use(node, purpose, lane)
            if isinstance(use, ShortUse):
                return use
        raise AssertionError("unreachable")  # pragma: no cover

    def try_exclusive(self, node_id: str, purpose: str) -> ShortUse | Busy:
        """The node for background work, if that is in nobody's way.

        Answers at once. The node is taken when this returns: enter the
        ``with`` without delay, and leave it soon, for a client's request
        takes the node away after ``[conductor]background_lease_limit``.
        Errors: NodeNotFound, StorageUnavailable.
        """
        node = self._nodes.get(node_id)
        if node.reservation is not None:
            return self._busy(node)
        if self._occupancy.awaited(node.uuid):
            return Busy(node.uuid, "a client's request waits for the node")
        try:
            self._queue.check_open()
            use = self._use(node, purpose, BACKGROUND)
        except StorageUnavailable:
            raise
        except Unavailable as error:
            reason = self._lanes.background.refusal()
            return Busy(node.uuid, reason or error.message)
        return use if isinstance(use, ShortUse) else self._busy(use.current)

    def _use(
        self, node: Node, purpose: str, name: LaneName
    ) -> ShortUse | Lost[Node]:
        """Take a free node, and a place in a lane, for a short time."""
        lane = self._lanes.of(name)
        with ExitStack() as stack:
            stack.enter_context(lane.place())
            stay = self._occupancy.enter(node.uuid, purpose)
            try:
                result = self._take(node.uuid, purpose, name)
            except BaseException:
                stay.leave()
                raise
            if isinstance(result, Lost):
                stay.leave()
                return result
            task = TaskNode(self._around, result.record, purpose, stay)
            LOG.debug("Node %s: reserved to %s", node.uuid, purpose)
            place = stack.pop_all()
        return ShortUse(self._around, task, stay, lane, place)

    def _busy(self, node: Node) -> Busy:
        lease = self._leases.of_node(node.uuid)
        reason = f"used by {node.reservation or 'another operation'}"
        if lease is not None:
            reason = in_use(lease)
        return Busy(node.uuid, reason, lease)

    def shared(self, node_id: str) -> SharedNode:
        """The node to look at, and to write if it stays as it is.

        Errors: NodeNotFound.
        """
        return SharedNode(self._around, self._nodes.get(node_id))

    # -- operations that are ended from outside -------------------------------

    def watch(self) -> None:
        """Look after the operations that run: see ``conductor.watch``."""
        self._watch.look()

    def stalled(self, now: float | None = None) -> tuple[Stalled, ...]:
        """Operations that hang, at this moment (monotonic seconds)."""
        return self._watch.stalled(now)

    def end_stalled(self, now: float | None = None) -> int:
        """Let each operation that hangs fail, and give its node back."""
        return self._watch.end_stalled(now)

    def drop_lost(self) -> int:
        """Forget operations whose leases somebody else ended; how many."""
        return self._watch.drop_lost()

    def let_go(self, uuids: Collection[str] | None = None) -> int:
        """Forget operations whose nodes were taken away; all without uuids.

        They go no further than to their next pause. Returns how many.
        """
        return self._occupancy.evict_all(uuids)

    def forget(self, uuid: str, token: int) -> None:
        """Forget the operation that had this lease, if it was one of ours."""
        self._occupancy.evict(uuid, token)


__all__ = ["TaskManager"]
