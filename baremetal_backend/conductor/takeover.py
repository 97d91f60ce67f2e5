# SPDX-License-Identifier: Apache-2.0
"""What conductors that are gone left behind is taken over, by its new owner.

Once the time-out of a conductor is over, the first who notices declares it
gone, by a write that fails if the conductor has moved; only then anybody
touches its nodes. Each conductor repairs the nodes that are its own by now.
It looks for them at its start, whenever a conductor came or went, and every
minute, so that nothing stays behind whatever happened in between.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from baremetal_backend.conductor.node_event import node_event
from baremetal_backend.core.conductors import Health
from baremetal_backend.core.errors import (
    BackendError,
    NodeNotFound,
    StorageUnavailable,
)
from baremetal_backend.core.records import Node
from baremetal_backend.core.takeover import Recovery, recover
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.directory import Directory, View
from baremetal_backend.storage import Storage
from baremetal_backend.storage.orphans import Orphan, Repair

LOG = logging.getLogger(__name__)

# Seconds between two looks without a reason.
_REGULARLY = 60.0

# Seconds after which a look that failed is repeated.
_RETRY = 5.0

# Seconds for which a conductor that is gone stays in the list.
_GONE_KEPT = 86400.0

# Nodes in one transaction.
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the takeover works with."""

    #: Name of this conductor.
    host: str
    storage: Storage
    directory: Directory
    #: Does the work of a node's state again, under a new lease.
    again: Callable[[Node], None]
    #: Whether this conductor may act.
    active: Callable[[], bool]
    clock: Callable[[], float] = time.time


class Takeover:
    """Repairs nodes. Owned by the runtime, which gives it a thread."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._wanted = threading.Event()
        self._stopped = False
        # Released, but not begun again yet: there was no free worker.
        self._waiting: dict[str, Node] = {}

    def run(self) -> None:
        """Sweep when asked and regularly, until ``stop``."""
        pause = _REGULARLY
        while not self._stopped:
            self._wanted.wait(pause)
            self._wanted.clear()
            if self._stopped:
                return
            pause = _RETRY
            try:
                self.sweep()
            except StorageUnavailable as error:
                LOG.debug("The sweep is put off: %s", error)
            except Exception:
                LOG.exception("A sweep failed.")
            else:
                pause = _RETRY if self._waiting else _REGULARLY

    def stop(self) -> None:
        """End ``run``."""
        self._stopped = True
        self._wanted.set()

    def ask(self) -> None:
        """Sweep soon."""
        self._wanted.set()

    def end_silent(self, view: View) -> None:
        """Declare those gone whose time-out is over."""
        for member in view.membership.members:
            if member.health is not Health.SILENT:
                continue
            if self._around.active() and (
                self._around.storage.conductors.declare_gone(member.record)
            ):
                LOG.warning(
                    "Conductor %s is declared gone: %s.",
                    member.record.host,
                    member.reason,
                )

    # -- sweeping -------------------------------------------------------------

    def sweep(self) -> int:
        """Repair what is this conductor's to repair; how many nodes."""
        if not self._around.active():
            return 0
        began = time.monotonic()
        found = self._around.storage.orphans.find()
        mine = [orphan for orphan in found if self._is_mine(orphan)]
        repaired = sum(self._repair(batch) for batch in _batches(mine))
        if repaired:
            LOG.warning(
                "%d nodes that were left behind are taken over, in %.1f s.",
                repaired,
                time.monotonic() - began,
            )
        self._begin_again()
        kept_since = timestamp(self._around.clock() - _GONE_KEPT)
        self._around.storage.conductors.forget_gone(kept_since)
        return repaired

    def _is_mine(self, orphan: Orphan) -> bool:
        if orphan.uuid in self._waiting:
            return False
        view = self._around.directory.view
        owner = view.routing.owner(
            orphan.uuid, orphan.driver, orphan.conductor_group
        )
        if owner is None:
            # Nobody serves it: the first conductor of all does what it can.
            hosts = sorted(one.host for one in view.membership.live)
            owner = next(iter(hosts), None)
        return owner == self._around.host

    def _repair(self, orphans: list[Orphan]) -> int:
        now = timestamp(self._around.clock())
        holders = {one.uuid: one.holder for one in orphans}
        nodes = self._around.storage.orphans.read(list(holders))
        plans: dict[str, Recovery] = {}
        repairs = []
        for node in nodes:
            cause = f"Conductor {holders[node.uuid] or 'unknown'} stopped"
            try:
                plan = recover(node, cause, now) or _only_a_lease(cause)
            except Exception:
                LOG.exception("Node %s: can't be taken over.", node.uuid)
                continue
            plans[node.uuid] = plan
            repairs.append(self._written(node, plan, now))
        done = self._around.storage.orphans.repair(repairs)
        by_uuid = {node.uuid: node for node in nodes}
        for found in done:
            LOG.info("Node %s: %s", found, plans[found].reason)
            if plans[found].again:
                self._waiting[found] = by_uuid[found]
        return len(done)

    def _written(self, node: Node, plan: Recovery, now: str) -> Repair:
        event = node_event(
            node.uuid,
            "takeover",
            plan.reason,
            host=self._around.host,
            now=now,
            failed=plan.work_lost,
        )
        return Repair(node, plan.changes, event)

    def _begin_again(self) -> None:
        for found in list(self._waiting):
            try:
                node = self._around.storage.nodes.get(found)
            except NodeNotFound:
                del self._waiting[found]
                continue
            try:
                self._around.again(node)
            except StorageUnavailable:
                raise
            except BackendError as error:
                if error.status == 503:
                    # No free worker: the next sweep finds it here.
                    LOG.info("Node %s: waits: %s", found, error.message)
                    return
                self._give_up(node, error.message)
            except Exception as error:
                LOG.exception("Node %s: was not begun again.", node.uuid)
                self._give_up(node, f"{type(error).__name__}: {error}")
            del self._waiting[found]

    def _give_up(self, node: Node, sentence: str) -> None:
        """What can't be begun again fails after all."""
        now = timestamp(self._around.clock())
        cause = f"Not begun again ({sentence.rstrip('.')}), and stopped"
        plan = recover(node, cause, now, may_resume=False)
        if plan is None or node.reservation is not None:
            return
        written = self._written(node, plan, now)
        if self._around.storage.orphans.repair([written]):
            LOG.warning("Node %s: %s", node.uuid, plan.reason)


def _only_a_lease(cause: str) -> Recovery:
    return Recovery({}, f"{cause} and left its lease behind.", False)


def _batches(orphans: Iterable[Orphan]) -> Iterator[list[Orphan]]:
    rest = iter(orphans)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch


__all__ = ["Surroundings", "Takeover"]
