# SPDX-License-Identifier: Apache-2.0
"""A node in exclusive use, as the work on it sees it.

Every write names the lease that the work has, and is refused once that lease
ended: the work then ends as well. A database that restarts holds the work up,
and does not end it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.node_event import node_event
from baremetal_backend.conductor.occupancy import Stay
from baremetal_backend.conductor.operation import transition_changes
from baremetal_backend.conductor.timer import Timer
from baremetal_backend.conductor.workers import Lanes
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import (
    LeaseLost,
    ResourceNotFound,
    StorageUnavailable,
)
from baremetal_backend.core.records import HistoryEvent, Holder, Node
from baremetal_backend.core.states import process_event
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers.loader import Driver, Registry
from baremetal_backend.storage import Changed, Lost, Storage

LOG = logging.getLogger(__name__)

# Seconds between the tries of a write, beside those of the storage itself.
_AGAIN_AFTER = (1.0, 2.0, 5.0, 10.0, 10.0, 10.0, 10.0, 10.0)


def always_active() -> None:
    """For a conductor that nobody else can replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the task manager works with."""

    #: Under which name and incarnation it takes nodes now.
    identity: Callable[[], Holder]
    #: The settings in force; a reload replaces them.
    configured: Callable[[], ConductorSettings]
    storage: Storage
    registry: Registry
    lanes: Lanes
    timer: Timer
    #: Seconds since the epoch.
    clock: Callable[[], float]
    #: Raises while this conductor may take nothing, since it can't renew.
    check_active: Callable[[], None] = always_active
    #: Seconds after which a lease that is not renewed is shown as expired.
    lease_seconds: float = 60.0
    monotonic: Callable[[], float] = time.monotonic
    #: Blocks a thread for seconds.
    sleep: Callable[[float], object] = time.sleep
    #: Told of a node whose power state an operation has just written.
    switched: Callable[[Node], object] = lambda _node: None

    @property
    def host(self) -> str:
        """Name of this conductor."""
        return self.identity().host

    @property
    def settings(self) -> ConductorSettings:
        """The settings in force now."""
        return self.configured()

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return timestamp(self.clock())

    @property
    def expiry(self) -> str:
        """When a lease ends that is taken or renewed now."""
        return timestamp(self.clock() + self.lease_seconds)

    def event(
        self, node: Node, topic: str, reason: str, failed: bool = False
    ) -> HistoryEvent:
        """A record for the node's history."""
        return node_event(
            node.uuid,
            topic,
            reason,
            host=self.host,
            now=self.now,
            failed=failed,
        )


class TaskNode:
    """A node in exclusive use. Owned by the thread that runs the work."""

    def __init__(
        self, around: Surroundings, node: Node, topic: str, stay: Stay
    ) -> None:
        self._around = around
        self._node = node
        self._topic = topic
        self._stay = stay
        self._token = node.lease_token
        stay.token = node.lease_token
        stay.last_sign = around.monotonic()

    @property
    def node(self) -> Node:
        """The node as of the last write."""
        return self._node

    @property
    def token(self) -> int:
        """Number of the lease that every write names."""
        return self._token

    @property
    def driver(self) -> Driver:
        """The node's interfaces."""
        return self._around.registry.driver(self._node)

    @property
    def now(self) -> str:
        """The present time as it is stored."""
        return self._around.now

    def save(self, **changes: Any) -> Node:
        """Write fields. Errors: LeaseLost when the node was taken away."""
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
        if self._stay.ended:
            raise self._refused(changes)
        result = self._stored(changes, event)
        if isinstance(result, Lost):
            raise self._refused(changes)
        self._stay.last_sign = self._around.monotonic()
        self._node = result.record
        if "power_state" in changes:
            self._around.switched(self._node)
        return self._node

    def _stored(
        self, changes: Mapping[str, Any], event: HistoryEvent | None
    ) -> Changed[Node] | Lost[Node]:
        """Write once, whenever the database answers.

        Errors: StorageUnavailable, after a minute or two; NodeNotFound.
        """
        nodes, tried = self._around.storage.nodes, False
        for pause in (*_AGAIN_AFTER, None):
            try:
                if tried and event is not None and self._happened(event):
                    return Changed(nodes.get(self._node.uuid))
                return nodes.change(
                    self._node.uuid, changes, token=self._token, event=event
                )
            except StorageUnavailable as error:
                if pause is None:
                    raise
                LOG.warning(
                    "Node %s: %s waits for the database: %s",
                    self._node.uuid,
                    self._stay.purpose,
                    error.message,
                )
            self._around.sleep(pause)
            tried = True
        raise AssertionError("unreachable")  # pragma: no cover

    def _happened(self, event: HistoryEvent) -> bool:
        """Whether a write took place whose answer was lost."""
        try:
            self._around.storage.history.get(event.node_uuid, event.uuid)
        except ResourceNotFound:
            return False
        return True

    def _refused(self, changes: Mapping[str, Any]) -> LeaseLost:
        LOG.warning(
            "Node %s: was taken away from %s (lease %d); its change of %s is "
            "refused.",
            self._node.uuid,
            self._stay.purpose,
            self._token,
            ", ".join(sorted(changes)),
        )
        return LeaseLost(self._node.uuid, self._stay.purpose)
