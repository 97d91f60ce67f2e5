# SPDX-License-Identifier: Apache-2.0
"""Which conductors there are, and which one serves a node: one process's view.

A view is an immutable snapshot that each look at the table replaces. Looking
is cheap (a few columns); a row is read whole only when a conductor has
registered. Nobody's death is concluded from a time in which this process
could not look: after an outage of the database, all get their time again.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from baremetal_backend.core.conductors import Health, Membership, observe
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.core.routing import Routing
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.interface import (
    ConductorInfo,
    HardwareTypeInfo,
    InterfaceChoice,
)
from baremetal_backend.storage.conductors import Beat, Conductors

LOG = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK = 1.0

_SHOWN_AS_ALIVE = (Health.LIVE, Health.DRAINING)


@dataclass(frozen=True, slots=True)
class View:
    """What this process knows at one moment."""

    membership: Membership = field(default_factory=Membership)
    routing: Routing = field(default_factory=Routing)


class Directory:
    """The present view. Owned by the runtime, read by all threads."""

    def __init__(
        self,
        conductors: Conductors,
        timeout: float,
        *,
        own: Callable[[], Holder] | None = None,
        solitary: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``timeout``: ``[conductor]heartbeat_timeout``; ``own``: this
        process's conductor; ``solitary``: there can be no other."""
        self._conductors = conductors
        self._timeout = timeout
        self._own = own
        self._solitary = solitary
        self._clock = clock
        self._monotonic = monotonic
        self._records: dict[str, ConductorRecord] = {}
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._view = View()
        #: Called after each look.
        self.on_look: Callable[[View], None] = lambda _view: None
        #: Called after a look that changed who is there.
        self.on_change: Callable[[], None] = lambda: None

    @property
    def view(self) -> View:
        """The latest snapshot."""
        return self._view

    # -- looking --------------------------------------------------------------

    def refresh(self) -> View:
        """Look now. Errors: StorageUnavailable."""
        with self._looking:
            before = self._view
            after = self._look(before)
            self._view = after
        if after.routing is not before.routing:
            self.on_change()
        self.on_look(after)
        return after

    def run(self) -> None:
        """Look again and again, until ``stop``: the body of a thread."""
        while not self._stop.wait(LOOK):
            try:
                self.refresh()
            except StorageUnavailable as error:
                LOG.debug("Can't look at the conductors: %s", error)
            except Exception:
                LOG.exception("Could not look at the conductors.")

    def stop(self) -> None:
        """End ``run``."""
        self._stop.set()

    def _look(self, before: View) -> View:
        beats = self._conductors.beats()
        rows = self._whole(beats)
        now = self._clock()
        oldest = timestamp(now - self._timeout)
        own = {self._own().incarnation} if self._own else set()
        membership = observe(
            before.membership,
            rows,
            self._monotonic(),
            self._timeout,
            looks_old=frozenset(
                row.incarnation for row in rows if row.renewed_at < oldest
            ),
            trusted=frozenset(own),
        )
        if _told(membership) == _told(before.membership):
            return View(membership, before.routing)
        _log_changes(before.membership, membership)
        serving = membership.live
        if self._solitary:
            # There is nobody else to ask while it stops.
            serving = membership.of(Health.LIVE, Health.DRAINING)
        return View(membership, Routing(serving, self._solitary))

    def _whole(self, beats: Sequence[Beat]) -> list[ConductorRecord]:
        known = self._records
        if any(beat.incarnation not in known for beat in beats):
            known = {row.incarnation: row for row in self._conductors.all()}
        found = {
            beat.incarnation: dataclasses.replace(
                known[beat.incarnation],
                state=beat.state,
                beat=beat.beat,
                renewed_at=beat.renewed_at,
            )
            for beat in beats
            # It may have gone between the two queries.
            if beat.incarnation in known
        }
        self._records = found
        return list(found.values())

    # -- asking ---------------------------------------------------------------

    def owner(
        self, uuid: str, driver: str, conductor_group: str
    ) -> str | None:
        """Host of the conductor that serves the node; None: none does."""
        return self._view.routing.owner(uuid, driver, conductor_group)

    def is_mine(self, uuid: str, driver: str, conductor_group: str) -> bool:
        """Whether this process's conductor serves the node."""
        host = self._own().host if self._own else None
        return (
            host is not None
            and self.owner(uuid, driver, conductor_group) == host
        )

    def serves(self, host: str) -> bool:
        """Whether a conductor of this host may still answer a call."""
        return any(
            member.record.host == host
            and member.health not in (Health.SILENT, Health.GONE)
            for member in self._view.membership.members
        )

    def conductors(self) -> tuple[ConductorInfo, ...]:
        """All that are registered, by host."""
        return tuple(
            ConductorInfo(
                hostname=member.record.host,
                conductor_group=member.record.conductor_group,
                alive=member.health in _SHOWN_AS_ALIVE,
                drivers=tuple(sorted(member.record.hardware_types)),
                created_at=member.record.registered_at,
                updated_at=member.record.renewed_at,
            )
            for member in self._view.membership.members
        )

    def hardware_types(self) -> tuple[HardwareTypeInfo, ...]:
        """The hardware types that live conductors serve, by name."""
        live = self._view.membership.live
        names = sorted({name for one in live for name in one.hardware_types})
        return tuple(_described(name, live) for name in names)


def _told(membership: Membership) -> list[tuple[str, str, Health]]:
    return [
        (m.record.host, m.record.incarnation, m.health)
        for m in membership.members
    ]


def _log_changes(before: Membership, after: Membership) -> None:
    healths = {
        m.record.incarnation: (m.health, m.reason) for m in before.members
    }
    present = {m.record.incarnation for m in after.members}
    for member in after.members:
        old = healths.get(member.record.incarnation)
        if old is None or old[0] is not member.health:
            LOG.info(
                "Conductor %s is %s: %s.",
                member.record.host,
                member.health.value,
                member.reason,
            )
    hosts = {m.record.host for m in after.members}
    for member in before.members:
        left = member.record.incarnation not in present
        if left and member.record.host not in hosts:
            LOG.info("Conductor %s has left.", member.record.host)


def _described(name: str, live: Sequence[ConductorRecord]) -> HardwareTypeInfo:
    serving = [one for one in live if name in one.hardware_types]
    interfaces: dict[str, Any] = {}
    properties: dict[str, str] = {}
    for one in serving:
        told = one.hardware_types[name]
        for kind, offered in sorted(told["interfaces"].items()):
            known = interfaces.get(kind)
            names = dict.fromkeys(
                (*(known.enabled if known else ()), *offered)
            )
            if names:
                first = known.default if known else offered[0]
                interfaces[kind] = InterfaceChoice(first, tuple(names))
        properties |= told["properties"]
    return HardwareTypeInfo(
        name=name,
        hosts=tuple(one.host for one in serving),
        interfaces=interfaces,
        properties=dict(sorted(properties.items())),
    )


__all__ = ["LOOK", "Directory", "View"]
