# SPDX-License-Identifier: Apache-2.0
"""A node in exclusive use, as the work on it sees it.

Every write is refused once the node was taken away: the work then ends.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import transition_changes
from baremetal_backend.conductor.timer import Timer
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import NodeLocked
from baremetal_backend.core.records import HistoryEvent, Node
from baremetal_backend.core.states import process_event
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers.loader import Driver, Registry
from baremetal_backend.storage import Lost, Storage

LOG = logging.getLogger(__name__)


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

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return timestamp(self.clock())

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


class TaskNode:
    """A node in exclusive use. Owned by the thread that runs the work."""

    def __init__(self, around: Surroundings, node: Node, topic: str) -> None:
        self._around = around
        self._node = node
        self._topic = topic

    @property
    def node(self) -> Node:
        """The node as of the last write."""
        return self._node

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        return self._around.registry.driver(self._node)

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._around.now

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
        self._write(
            transition_changes(step, self.now) | changes,
            self._around.event(self._node, self._topic, step.reason),
        )
        LOG.info("Node %s: %s", self._node.uuid, step.reason)

    def _write(
        self, changes: Mapping[str, Any], event: HistoryEvent | None
    ) -> Node:
        result = self._around.storage.nodes.change(
            self._node.uuid,
            changes,
            reserved_by=self._around.host,
            event=event,
        )
        if isinstance(result, Lost):
            raise NodeLocked(
                self._node.uuid, result.current.reservation or "nobody"
            )
        self._node = result.record
        return self._node
