# SPDX-License-Identifier: Apache-2.0
"""Operations that are ended from outside: they hang, or lost their node.

An operation that hangs is failed by somebody else, with the lease that it
has; when its thread wakes up it finds that lease ended. An operation whose
lease was ended by another process is kept from going on with the hardware.
A lease of this process that no operation has (the database took it, and could
not say so) is ended, and its node repaired.
"""

from __future__ import annotations

import logging
import threading

from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.occupancy import Occupancy, Stay
from baremetal_backend.core.errors import NodeNotFound, StorageUnavailable
from baremetal_backend.core.leases import Stalled
from baremetal_backend.core.records import Lease
from baremetal_backend.core.takeover import recover
from baremetal_backend.storage import Changed

LOG = logging.getLogger(__name__)


class Watch:
    """Owned by the task manager; called by the thread of the beat."""

    def __init__(
        self, surroundings: Surroundings, occupancy: Occupancy
    ) -> None:
        self._around = surroundings
        self._nodes = surroundings.storage.nodes
        self._leases = surroundings.storage.leases
        self._lanes = surroundings.lanes
        self._occupancy = occupancy
        # Held while lost leases are looked for: by one thread at a time.
        self._dropping = threading.Lock()

    def look(self) -> None:
        """Look after the operations that run; due once in a few seconds.

        Quick: what waits for the database is left to the background lane.
        """
        self.end_stalled()
        if self._dropping.acquire(blocking=False):
            try:
                self._lanes.background.go_on(self._compare)
            except BaseException:
                self._dropping.release()
                raise

    def _compare(self) -> None:
        try:
            before, ours = self._seen()
            self._drop(before, ours)
            self._end_abandoned(ours)
        except StorageUnavailable as error:
            LOG.debug("Lost leases are looked for later: %s", error.message)
        finally:
            self._dropping.release()

    def stalled(self, now: float | None = None) -> tuple[Stalled, ...]:
        """Operations that hang, at this moment (monotonic seconds)."""
        return tuple(verdict for _, verdict in self._stalled(now))

    def end_stalled(self, now: float | None = None) -> int:
        """Let each operation that hangs fail, and give its node back.

        Quick: the writing is left to the background lane. Returns how many.
        """
        ended = 0
        for stay, verdict in self._stalled(now):
            write_off = stay.write_off
            if write_off is None or not stay.claim_end():
                continue
            ended += 1
            self._lanes.background.go_on(
                lambda end=write_off, why=verdict.reason: end(why)  # type: ignore[misc]
            )
        return ended

    def _stalled(self, now: float | None) -> list[tuple[Stay, Stalled]]:
        return self._occupancy.stalled(
            self._around.monotonic() if now is None else now,
            self._around.settings.stalled_work_timeout,
        )

    def drop_lost(self) -> int:
        """Forget operations whose leases somebody else ended; how many.

        Their writes are refused anyhow; this keeps them from going on with
        the hardware. Errors: StorageUnavailable.
        """
        return self._drop(*self._seen())

    def _seen(self) -> tuple[list[Stay], list[Lease]]:
        """Operations that have leases, and then the leases that there are."""
        before = [stay for stay in self._occupancy.stays() if stay.token]
        incarnation = self._around.identity().incarnation
        return before, self._leases.of_incarnation(incarnation)

    def _drop(self, before: list[Stay], ours: list[Lease]) -> int:
        held = {(lease.node_uuid, lease.token) for lease in ours}
        return self._occupancy.evict_others(before, held)

    def _end_abandoned(self, ours: list[Lease]) -> None:
        """End leases of this process that no operation has."""
        # Looked at afterwards: an operation is there before it has a lease,
        # and until its lease is given back.
        present = {stay.node_uuid for stay in self._occupancy.stays()}
        for lease in ours:
            if lease.node_uuid not in present:
                self._end(lease)

    def _end(self, lease: Lease) -> None:
        try:
            node = self._nodes.get(lease.node_uuid)
            cause = f"Conductor {lease.holder} lost sight of {lease.purpose}"
            plan = recover(node, cause, self._around.now, may_resume=False)
            if plan is None or node.lease_token != lease.token:
                return
            result = self._leases.give_back(
                node.uuid,
                lease.token,
                plan.changes,
                self._around.event(
                    node, "lock", plan.reason, failed=plan.work_lost
                ),
                seen_version=node.version,
            )
        except NodeNotFound:
            return
        if isinstance(result, Changed):
            LOG.error("Node %s: %s", node.uuid, plan.reason)
