# SPDX-License-Identifier: Apache-2.0
"""The course of one operation: from the node it was given to its end.

Work can't end in another way than by its end or by its failure: whatever it
raises is its failure, with a sentence in ``last_error`` and in the log. Both
are decided and written in one transaction that also gives the node back. A
database that does not answer is asked again. While the work pauses, no thread
is held.

Work that lost its node goes no further than to its next pause or write.
"""

from __future__ import annotations

import logging
import math
from typing import TypeVar

from baremetal_backend.conductor.held_node import Surroundings, TaskNode
from baremetal_backend.conductor.occupancy import Stay
from baremetal_backend.conductor.operation import Decision, End, Operation
from baremetal_backend.core.errors import (
    BackendError,
    InternalError,
    LeaseLost,
    NodeNotFound,
    StorageUnavailable,
)
from baremetal_backend.drivers.base import Pause, Steps
from baremetal_backend.storage import Lost

LOG = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds between two tries to write an end: doubled up to this.
_LONGEST_RETRY = 30.0


class Course:
    """Owned by the thread that runs the work; by none while it pauses."""

    def __init__(
        self,
        around: Surroundings,
        task: TaskNode,
        operation: Operation,
        stay: Stay,
    ) -> None:
        self._around = around
        self._task = task
        self._operation = operation
        self._stay = stay
        self._lane = around.lanes.of(operation.lane)
        self._work = self._whole()
        stay.write_off = self._write_off

    def run(self) -> None:
        """Go on until the next pause, or write the end."""
        while not self._stay.ended:
            self._stay.last_sign = self._around.monotonic()
            try:
                pause = next(self._work)
            except StopIteration as stop:
                if self._stay.claim_end():
                    self._conclude(stop.value)
                    return
                break
            if pause.seconds > 0 and not self._stay.ended:
                self._stay.last_sign = None
                self._lane.later(self._around.timer, pause.seconds, self.run)
                return
        self._work.close()
        LOG.warning(
            "Node %s: %s goes no further, the node was taken away from it.",
            self._task.node.uuid,
            self._operation.name,
        )

    def _whole(self) -> Steps[Decision]:
        """The work, with its end or its failure as a decision."""
        task, operation = self._task, self._operation
        try:
            end = (yield from _checked(operation.work(task))) or End()
            return operation.end(task.node, end, self._around.now)
        except LeaseLost as error:
            sentence = error.message
        except BackendError as error:
            sentence = _sentence(error)
            LOG.error(
                "Node %s: %s failed: %s",
                task.node.uuid,
                operation.name,
                sentence,
            )
        except GeneratorExit:
            raise
        except BaseException as error:
            # A driver's library may raise SystemExit or CancelledError.
            sentence = _sentence(error)
            LOG.exception(
                "Node %s: %s failed with a fault of the software.",
                task.node.uuid,
                operation.name,
            )
        return self._failure(sentence)

    def _failure(self, sentence: str) -> Decision:
        """The failure state; at the least, a node that is given back."""
        node = self._task.node
        try:
            return self._operation.fail(node, sentence, self._around.now)
        except Exception:
            LOG.exception(
                'Node %s: no failure state for "%s".',
                node.uuid,
                node.provision_state,
            )
            return Decision({"last_error": sentence}, sentence)

    def _write_off(self, reason: str) -> None:
        """Fail the operation from outside: its thread hangs."""
        LOG.error(
            "Node %s: %s is given up: %s",
            self._task.node.uuid,
            self._operation.name,
            reason,
        )
        self._conclude(self._failure(reason))

    def _conclude(self, decision: Decision, wait: float = 1.0) -> None:
        """Write the end and give the node back; until it is written.

        An end that can't be stored is a failure.
        """
        node, operation = self._task.node, self._operation
        try:
            result = self._around.storage.leases.give_back(
                node.uuid,
                self._task.token,
                decision.changes,
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
            self._lane.later(
                self._around.timer,
                wait,
                lambda: self._conclude(decision, longer),
            )
            return
        except Exception as error:
            LOG.exception(
                "Node %s: the end of %s can't be stored.",
                node.uuid,
                operation.name,
            )
            failure = self._failure(ascii(_sentence(error)))
            self._lane.later(
                self._around.timer,
                wait,
                lambda: self._conclude(failure, min(2 * wait, _LONGEST_RETRY)),
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
        self._stay.leave()


def _checked(steps: Steps[T]) -> Steps[T]:
    """The same work, without pauses that would never end.

    Errors: InternalError.
    """
    try:
        while True:
            try:
                pause = next(steps)
            except StopIteration as stop:
                found: T = stop.value
                return found
            if not _is_pause(pause):
                raise InternalError(
                    f"The driver yielded {pause!r}; only a pause of some "
                    "seconds means something."
                )
            yield pause
    finally:
        steps.close()


def _is_pause(found: object) -> bool:
    return (
        isinstance(found, Pause)
        and isinstance(found.seconds, int | float)
        and math.isfinite(found.seconds)
    )


def _sentence(error: BaseException) -> str:
    """What a log file, too, can hold: halves of characters are replaced."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, BackendError):
        text = error.message
    return text.encode(errors="replace").decode()
