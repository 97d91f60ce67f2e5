# SPDX-License-Identifier: Apache-2.0
"""This conductor's row: taken, renewed, given back.

Guarantees that no two processes act under one host name, and that this one
stops to act before the others may conclude that it is gone: it counts from
the beginning of its last renewal, by its own monotonic clock, and takes
nothing new after half of ``[conductor]heartbeat_timeout``. Whoever was
declared gone comes back as another incarnation, and its leases are lost.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.conductors import ACTIVE, DRAINING, GONE
from baremetal_backend.core.errors import (
    BackendError,
    ConductorDemoted,
    StorageUnavailable,
)
from baremetal_backend.core.processes import Fate, ProcessIdentity, fate
from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.storage import Storage

LOG = logging.getLogger(__name__)

# Seconds between two looks at a beat that is being watched.
_LOOK = 0.25

# Seconds until a renewal that failed is tried again.
_RETRY = 1.0

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the registration works with."""

    settings: Settings
    storage: Storage
    registry: Registry
    process: ProcessIdentity
    #: Start time of a process of this machine, None if there is none.
    start_of: Callable[[int], int | None]
    #: No other process can have the database open.
    alone: bool = False
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


class Registration:
    """The row of this conductor. Owned by the runtime."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._conductors = around.storage.conductors
        self._settings = around.settings.conductor
        self._host = around.settings.host
        self._holder = Holder(self._host, str(uuid.uuid4()))
        self._renewed: float | None = None
        self._warned = False
        self._left = False
        self._draining = False
        # Whether the row says that it drains.
        self._drained = False
        self._stop = threading.Event()
        #: Uuids of nodes whose work gives no sign of life.
        self.silent_nodes: Callable[[], tuple[str, ...]] = tuple
        #: Called after each attempt to renew; must be quick.
        self.after_beat: Callable[[], object] = lambda: None
        #: Called when this process's former leases are lost.
        self.on_lost: Callable[[], None] = lambda: None
        #: Called when another process has taken the host name.
        self.on_replaced: Callable[[], None] = lambda: None

    @property
    def host(self) -> str:
        """The name under which it is registered."""
        return self._host

    def holder(self) -> Holder:
        """Under which name and incarnation leases are taken now."""
        return self._holder

    @property
    def active(self) -> bool:
        """Whether this conductor may begin something new."""
        if self._renewed is None:
            return False
        silence = self._around.monotonic() - self._renewed
        return silence < self._settings.heartbeat_timeout / 2

    def check_active(self) -> None:
        """Errors: ConductorDemoted."""
        if not self.active:
            raise ConductorDemoted(
                self._host, retry_after=self._settings.heartbeat_interval
            )

    # -- coming ---------------------------------------------------------------

    def register(self) -> None:
        """Take the row. Errors: ConfigurationError, StorageUnavailable.

        Blocks for a bit more than ``heartbeat_interval`` when a process that
        can't be seen from here has the host name.
        """
        for _ in range(_ATTEMPTS):
            began = self._around.monotonic()
            rows = self._conductors.all()
            mine = [row for row in rows if _same_name(row.host, self._host)]
            for row in rows:
                if (
                    row in mine
                    or self._around.settings.rpc_transport != "none"
                ):
                    continue
                self._end(row)
            former = self._replaceable(mine[0]) if mine else None
            if self._conductors.register(self._record(), former):
                self._renewed = began
                self._warn_of_relatives(rows)
                return
        raise StorageUnavailable("The table of conductors does not settle.")

    def _record(self) -> ConductorRecord:
        now = timestamp(self._around.clock())
        return ConductorRecord(
            host=self._host,
            incarnation=self._holder.incarnation,
            conductor_group=self._settings.conductor_group,
            hardware_types=described(self._around.registry),
            state=DRAINING if self._draining else ACTIVE,
            process=str(self._around.process),
            registered_at=now,
            renewed_at=now,
        )

    def _replaceable(self, row: ConductorRecord) -> ConductorRecord | None:
        """The row as it may be replaced; None: it vanished meanwhile."""
        if row.state == GONE or self._around.alone:
            return row
        verdict = self._fate(row)
        if verdict in (Fate.SELF, Fate.DEAD):
            return row
        if verdict is Fate.ALIVE or self._moves(row):
            raise ConfigurationError(
                f"[DEFAULT]host: {row.host} is registered by a process that "
                f"is alive ({row.process}); stop it, or give this conductor "
                "a name of its own."
            )
        return self._seen_again(row)

    def _end(self, row: ConductorRecord) -> None:
        """Without messages between conductors, there may be one only."""
        if row.state == GONE:
            return
        verdict = Fate.DEAD if self._around.alone else self._fate(row)
        if verdict is Fate.ALIVE or (
            verdict is Fate.OUT_OF_SIGHT and self._moves(row)
        ):
            raise ConfigurationError(
                f"[DEFAULT]rpc_transport: conductor {row.host} works on this "
                "database too; set rpc_transport = oslo for both, or give "
                "this one a database of its own."
            )
        self._conductors.declare_gone(self._seen_again(row) or row)

    def _fate(self, row: ConductorRecord) -> Fate:
        return fate(row.process, self._around.process, self._around.start_of)

    def _moves(self, row: ConductorRecord) -> bool:
        """Watch a beat for longer than its interval."""
        patience = 1.5 * self._settings.heartbeat_interval + _RETRY
        LOG.warning(
            "Conductor %s is registered by a process that can't be seen from "
            "here; it is watched for %.0f s before its row is used.",
            row.host,
            patience,
        )
        deadline = self._around.monotonic() + patience
        while self._around.monotonic() < deadline:
            if self._stop.wait(_LOOK):
                raise ConfigurationError("Stopped while it was starting.")
            now = self._seen_again(row)
            if now is None or now.state == GONE:
                return False
            if (now.incarnation, now.beat) != (row.incarnation, row.beat):
                return True
        return False

    def _seen_again(self, row: ConductorRecord) -> ConductorRecord | None:
        rows = self._conductors.all()
        return next((r for r in rows if r.host == row.host), None)

    def _warn_of_relatives(self, rows: list[ConductorRecord]) -> None:
        label = self._host.partition(".")[0].lower()
        for row in rows:
            name = row.host.lower()
            if name.partition(".")[0] == label and name != self._host.lower():
                LOG.warning(
                    "Conductors %s and %s are two, although their names look "
                    "like one machine; set [DEFAULT]host if that is wrong.",
                    row.host,
                    self._host,
                )

    # -- staying --------------------------------------------------------------

    def run(self) -> None:
        """Renew, until ``stop``: the body of a thread of its own."""
        interval = self._settings.heartbeat_interval
        while not self._stop.wait(interval if self._renew() else _RETRY):
            pass

    def stop(self) -> None:
        """End ``run``."""
        self._stop.set()

    def _renew(self) -> bool:
        try:
            self.beat()
        except BackendError as error:
            self._report(f"its record can't be renewed: {error.message}")
            return False
        except Exception:
            LOG.exception("The record of %s was not renewed.", self._host)
            return False
        finally:
            self._watch()
        return True

    def _watch(self) -> None:
        try:
            self.after_beat()
        except Exception:
            LOG.exception("Operations that hang were not looked for.")

    def beat(self) -> None:
        """Renew row and leases once. Errors: StorageUnavailable."""
        if self._left:
            return
        was_active = self.active
        began = self._around.monotonic()
        now = self._around.clock()
        holder = self._holder
        expires = timestamp(now + self._settings.heartbeat_timeout)
        leases = self._around.storage.leases
        silent = self.silent_nodes()
        if self._conductors.renew(
            holder,
            timestamp(now),
            lambda connection: leases.renew(
                connection, holder.incarnation, expires, silent
            ),
        ):
            self._renewed = began
            if not was_active:
                LOG.warning("Conductor %s is active again.", self._host)
            self._warned = False
            if self._draining and not self._drained:
                self.drain()
        elif not self._left:
            self._come_back()

    def _come_back(self) -> None:
        """Be another incarnation: somebody ended this one."""
        self._renewed = None
        LOG.error(
            "Conductor %s was declared gone: the operations that it had are "
            "lost to it. It registers anew.",
            self._host,
        )
        self._holder = dataclasses.replace(
            self._holder, incarnation=str(uuid.uuid4())
        )
        try:
            self.register()
        except ConfigurationError as error:
            LOG.error("Conductor %s stops: %s", self._host, error)
            self._left = True
            self.on_replaced()
            return
        self.on_lost()

    def _report(self, reason: str) -> None:
        if self.active or self._warned:
            return
        self._warned = True
        LOG.error("Conductor %s begins nothing new: %s", self._host, reason)

    # -- going ----------------------------------------------------------------

    def drain(self) -> None:
        """Leave the rings; what is running may go on.

        Said again with each beat until the database has heard it.
        """
        self._draining = True
        try:
            self._drained = self._conductors.drain(self._holder)
        except StorageUnavailable as error:
            LOG.error("Can't say that %s stops: %s", self._host, error)

    def leave(self) -> None:
        """Give the row back."""
        self._left = True
        self._renewed = None
        try:
            self._conductors.remove(self._holder)
        except StorageUnavailable as error:
            LOG.error("The record of %s stays: %s", self._host, error)


def described(registry: Registry) -> Mapping[str, Any]:
    """What other processes must know of the hardware types."""
    return {
        name: {
            "interfaces": {
                kind: list(offered)
                for kind, offered in hardware.interfaces.items()
            },
            "properties": hardware.properties(),
        }
        for name, hardware in registry.types.items()
    }


def _same_name(one: str, other: str) -> bool:
    # MariaDB's unique keys don't tell case apart either.
    return one.lower() == other.lower()


__all__ = ["Registration", "Surroundings", "described"]
