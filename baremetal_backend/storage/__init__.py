# SPDX-License-Identifier: Apache-2.0
"""What the service remembers: one database, and queries on it.

``Storage`` is the way in. Reads take no lock and return snapshots; writes
name the version they saw and tell when they lost. It knows SQL and nothing of
HTTP, drivers or states.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from baremetal_backend.core.records import (
    Chassis,
    Port,
    Portgroup,
    ResourceKind,
    VolumeConnector,
    VolumeTarget,
)
from baremetal_backend.storage import tables
from baremetal_backend.storage.collection import Collection
from baremetal_backend.storage.conductors import Conductors
from baremetal_backend.storage.database import Database, DatabaseOptions
from baremetal_backend.storage.history import History
from baremetal_backend.storage.inventories import Inventories
from baremetal_backend.storage.leases import Leases
from baremetal_backend.storage.nodes import Nodes
from baremetal_backend.storage.orphans import Orphans
from baremetal_backend.storage.outbox import Announcing, Outbox
from baremetal_backend.storage.results import Changed, Lost


class Storage:
    """All stored things over one database. Owned by the runtime."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        announcing: Announcing | None = None,
    ) -> None:
        self.database = database
        self.history = History(database, clock)
        self.outbox = Outbox(database, announcing, clock)
        self.nodes = Nodes(database, self.history, self.outbox, clock)
        self.inventories = Inventories(database)
        self.leases = Leases(database, self.nodes, clock)
        # A beat must not queue behind what else needs connections.
        self._apart = database.apart()
        self.conductors = Conductors(self._apart)
        self.orphans = Orphans(database, self.history, self.outbox)
        self.ports: Collection[Port] = Collection(
            database, tables.PORTS, Port, "port", clock
        )
        self.portgroups: Collection[Portgroup] = Collection(
            database, tables.PORTGROUPS, Portgroup, "portgroup", clock
        )
        self.volume_connectors: Collection[VolumeConnector] = Collection(
            database,
            tables.VOLUME_CONNECTORS,
            VolumeConnector,
            "volume connector",
            clock,
        )
        self.volume_targets: Collection[VolumeTarget] = Collection(
            database,
            tables.VOLUME_TARGETS,
            VolumeTarget,
            "volume target",
            clock,
        )
        self.chassis: Collection[Chassis] = Collection(
            database, tables.CHASSIS, Chassis, "chassis", clock
        )

    def resources(self, kind: ResourceKind) -> Collection[Any]:
        """The collection of one kind of record beside nodes."""
        kinds: dict[ResourceKind, Collection[Any]] = {
            "port": self.ports,
            "portgroup": self.portgroups,
            "volume_connector": self.volume_connectors,
            "volume_target": self.volume_targets,
            "chassis": self.chassis,
        }
        return kinds[kind]

    def close(self) -> None:
        """Give back all connections."""
        self._apart.close()
        self.database.close()


__all__ = ["Changed", "Database", "DatabaseOptions", "Lost", "Storage"]
