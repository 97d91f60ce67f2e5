# SPDX-License-Identifier: Apache-2.0
"""Clients' requests that wait for a node which something else has.

Guarantees that a request is refused with 409 because of another request only:
background work gets no node that a request waits for, and what has one for
too long loses it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.occupancy import Occupancy
from baremetal_backend.core.errors import NodeLocked
from baremetal_backend.core.leases import (
    GiveUp,
    Patience,
    TakeAway,
    least_patience,
)
from baremetal_backend.core.records import Lease, Node
from baremetal_backend.storage import Changed

LOG = logging.getLogger(__name__)


class Queue:
    """Owned by the task manager; shared by the threads of requests."""

    def __init__(
        self, surroundings: Surroundings, occupancy: Occupancy
    ) -> None:
        self._around = surroundings
        self._nodes = surroundings.storage.nodes
        self._leases = surroundings.storage.leases
        self._occupancy = occupancy

    def attempts(self, node_id: str) -> Iterator[Node]:
        """The node, again and again until the configured patience ends.

        While it waits, no background work gets in before it; background work
        that has the node for too long loses it. Errors: NodeNotFound,
        NodeLocked, ShuttingDown.
        """
        settings = self._around.settings
        patience = Patience(
            settings.node_locked_retry_attempts,
            settings.node_locked_retry_interval,
            settings.background_lease_limit,
        )
        self.check_open()
        node = self._nodes.get(node_id)
        yield node
        with self._occupancy.waiting(node.uuid):
            yield from self._further(node, patience)

    def _further(self, node: Node, patience: Patience) -> Iterator[Node]:
        began = since = self._around.monotonic()
        used, watched, least = 0, 0, 0.0
        while True:
            lease = self._leases.of_node(node.uuid)
            now = self._around.monotonic()
            token = lease.token if lease is not None else 0
            if token != watched:
                watched, since = token, now
            # What was owed to a request stays so when the node moves on.
            least = max(least, least_patience(node.provision_state))
            move = patience.next_move(
                lease, used, now - since, least - (now - began)
            )
            if isinstance(move, GiveUp):
                raise self._locked(node, lease)
            if isinstance(move, TakeAway):
                self._take_away(node, move)
            else:
                used += move.counted
                self._occupancy.wait_free(
                    node.uuid, self._is_ours(node, lease), move.seconds
                )
            self.check_open()
            node = self._nodes.get(node.uuid)
            yield node

    def check_open(self) -> None:
        """Errors: ShuttingDown, ConductorDemoted."""
        self._occupancy.check_open()
        self._around.check_active()

    def _is_ours(self, node: Node, lease: Lease | None) -> bool:
        if lease is None:
            return node.reservation in (None, self._around.host)
        return lease.incarnation == self._around.identity().incarnation

    def _locked(self, node: Node, lease: Lease | None) -> NodeLocked:
        current = self._nodes.get(node.uuid)
        return NodeLocked(
            node.uuid,
            current.reservation or node.reservation or self._around.host,
            retry_after=max(
                1.0, self._around.settings.node_locked_retry_interval
            ),
            purpose=lease.purpose if lease is not None else None,
            since=lease.acquired_at if lease is not None else None,
        )

    def _take_away(self, node: Node, move: TakeAway) -> None:
        lease = move.lease
        event = self._around.event(node, "lock", f"{move.reason}.", True)
        ended = self._leases.give_back(node.uuid, lease.token, event=event)
        self._occupancy.evict(node.uuid, lease.token)
        if isinstance(ended, Changed):
            LOG.warning("Node %s: %s.", node.uuid, move.reason)
