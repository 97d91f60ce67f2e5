# SPDX-License-Identifier: Apache-2.0
"""A real conductor with ``DiscoverdInspect``, and a service in memory.

Database, leases, state machine and continuation are the real ones. The pool
works when ``settle`` says so, and the equipment's clock is played.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager

from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.periodic.driver_calls import DriverCalls
from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.storage.node_scan import NodeScan
from tests.backend.conductor.conftest import World
from tests.fakes.inspection_service import FakeInspection, HandPool

URL = "http://127.0.0.1:5050/v1"
PERIOD = 60
CONTEXT = object()

FOUND = {
    "cpus": 8,
    "cpu_arch": "x86_64",
    "memory_mb": 16384,
    "local_gb": 479,
    "inventory": {"cpu": {"count": 8}, "disks": [{"name": "/dev/sda"}]},
    "interfaces": {"eth0": {"mac": "52:54:00:00:00:01"}},
}
NEW_CAPABILITIES = "cpu_vt:true,cpu_aes:true"


class Process:
    """What a conductor has in memory; another one knows nothing of it."""

    def __init__(self, site: Site) -> None:
        self.pool = HandPool()
        self.equipment = InspectionEquipment(
            site.world.settings,
            service=site.service,
            pool=self.pool,
            monotonic=lambda: site.now,
        )
        self.interface = DiscoverdInspect(site.world.settings, self.equipment)


class Site:
    """One conductor, one service."""

    def __init__(self, world: World, **options) -> None:
        self.world = world
        self.now = 1000.0
        self.service = FakeInspection()
        self.configure(
            **{"enabled": True, "service_url": URL, **options},
        )
        self.manager = DriverCalls(
            world.context,
            world.tasks,
            OwnNodes(
                NodeScan(world.storage.database),
                world.registry,
                lambda *_node: True,
            ),
            lambda _task: False,
        )
        self.restart()

    # -- the conductor --------------------------------------------------------

    def configure(self, **options) -> None:
        """Options of ``[discoverd]``, for the next process."""
        discoverd = dataclasses.replace(DiscoverdSettings(), **options)
        self.world.settings = dataclasses.replace(
            self.world.settings, discoverd=discoverd
        )

    def restart(self) -> None:
        """All that was in memory is gone."""
        self.process = Process(self)
        for hardware in self.world.registry.types.values():
            for name in ("discoverd", "inspector"):
                hardware.interfaces["inspect"][name] = self.interface

    @property
    def interface(self) -> DiscoverdInspect:
        return self.process.interface

    @property
    def equipment(self) -> InspectionEquipment:
        return self.process.equipment

    # -- people ---------------------------------------------------------------

    def node(self, state: str = "manageable", **values) -> Node:
        values = {"inspect_interface": "discoverd", **values}
        return self.world.node(state, **values)

    def act(self, node: Node, verb: str) -> Node:
        """A client's verb, until the conductor has done its part."""
        self.world.conductor.do_provisioning_action(node.uuid, verb)
        self.world.idle()
        return self.get(node)

    def change(self, node: Node, **changes) -> Node:
        """Somebody, such as the service, writes the node."""
        current = self.get(node)
        result = self.world.storage.nodes.change(
            node.uuid, changes, seen_version=current.version, unreserved=True
        )
        return result.record

    # -- time -----------------------------------------------------------------

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes; what is due is handed to the pool, and not done."""
        self.now += seconds
        self.interface.look_at_due_nodes(self.manager, CONTEXT)

    def hand_out(self, seconds: float = PERIOD) -> None:
        """Time passes, and a poll; what it wants is not done yet."""
        self.now += seconds
        self.interface.poll(self.manager, CONTEXT)

    def settle(self) -> None:
        """The pool and the conductor do all that they have to do."""
        self.process.pool.run()
        self.world.idle()

    def poll(self, seconds: float = PERIOD) -> None:
        self.hand_out(seconds)
        self.settle()

    def soon(self, seconds: float = 5.0) -> None:
        """What is marked for the next few seconds."""
        self.tick(seconds)
        self.settle()

    # -- shortcuts -----------------------------------------------------------

    def begun(self, **values) -> Node:
        """A node that the service has accepted."""
        node = self.act(self.node(**values), "inspect")
        self.soon(0)
        node = self.get(node)
        assert self.attempt(node).answered
        return node

    def finished(self, node: Node, error: str | None = None) -> None:
        """The service has done its part."""
        self.service.boot(node.uuid)
        self.service.report(node.uuid)
        if error is None:
            self.found(node)
        self.service.finish(node.uuid, error, None if error else FOUND)

    def found(self, node: Node) -> None:
        """The service writes into the node, over what is there."""
        had = self.get(node).properties
        names = ("cpus", "cpu_arch", "memory_mb", "local_gb")
        old = had.get("capabilities")
        capabilities = f"{old},{NEW_CAPABILITIES}" if old else NEW_CAPABILITIES
        new = {name: str(FOUND[name]) for name in names}
        self.change(
            node, properties={**had, **new, "capabilities": capabilities}
        )

    def get(self, node: Node) -> Node:
        return self.world.get(node)

    def attempt(self, node: Node) -> Attempt | None:
        return attempts.at(self.get(node))

    def inventory(self, node: Node) -> tuple[dict, dict]:
        """What is kept of the last inspection: inventory, and the rest."""
        inner, rest = self.world.storage.inventories.texts(node.uuid)
        return json.loads(inner), json.loads(rest)

    def asked(self) -> list[str]:
        """What the service was asked since the last call."""
        found = [method for method, _uuid in self.service.requests]
        self.service.requests.clear()
        return found

    @contextmanager
    def reserved(self, node: Node) -> Iterator[None]:
        """Somebody has the node meanwhile."""
        taken = self.world.take(self.get(node))
        yield
        self.world.storage.leases.give_back(node.uuid, taken.lease_token)
