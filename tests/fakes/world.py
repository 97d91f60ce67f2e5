# SPDX-License-Identifier: Apache-2.0
"""A cloud as plain values: nodes, services, rows, and peers that sweep.

Keeps the semantics of the originals that matter for ownership: a resource
tracker run moves the row of each reported node to the reporting host, with
what it announces; a service is up while its heartbeat is younger than
``DOWN_TIME``, by the clock of whoever asks.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterable

from nova_ironic_partition import conf
from nova_ironic_partition.core import epoch
from nova_ironic_partition.core.hearsay import Post
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import ServiceRecord
from nova_ironic_partition.core.snapshot import NodeRecord, Scope
from nova_ironic_partition.partition import Partition
from nova_ironic_partition.ports import InventoryError

DOWN_TIME = 60.0


def node(node_id: str, instance: str | None = None) -> NodeRecord:
    return NodeRecord(
        id=node_id,
        power_state="power off",
        target_power_state=None,
        provision_state="available",
        target_provision_state=None,
        last_error=None,
        is_maintenance=False,
        properties={},
        instance_id=instance,
        traits=[],
        resource_class="baremetal",
    )


@dataclasses.dataclass
class Service:
    """``heartbeat`` is written by the clock of the service's own host."""

    host: str
    heartbeat: float
    beats: int = 0
    disabled: bool = False
    forced_down: bool = False


class World:
    """What Nova and the Bare Metal API know, and a clock."""

    def __init__(self, nodes: int = 0, group: str = "a") -> None:
        self.now = 10_000.0
        self.groups = {
            str(uuid.UUID(int=number * 0x9E3779B97F4A7C15)): group
            for number in range(1, nodes + 1)
        }
        self.instances: dict[str, tuple[str, str]] = {}
        self.services: dict[str, Service] = {}
        self.rows: dict[str, str] = {}
        self.words: dict[str, str | None] = {}
        self.moves: Counter[str] = Counter()
        self.broken: str | None = None
        self.looked_up = 0
        self.rows_read = 0
        self.asked_for: set[str] = set()

    def boot(self, node_id: str, instance: str, host: str) -> None:
        self.instances[node_id] = (instance, host)

    def report(
        self, host: str, nodes: Iterable[str], words: str | None = None
    ) -> None:
        """Nova's resource tracker writes the rows of these nodes."""
        for node_id in nodes:
            before = self.rows.get(node_id)
            if before is not None and before != host:
                self.moves[node_id] += 1
            self.rows[node_id] = host
            self.words[node_id] = words

    # The node inventory.
    def nodes(self, scope: Scope) -> list[NodeRecord]:
        if self.broken:
            raise InventoryError(self.broken)
        return [
            node(node_id, self.instances.get(node_id, (None,))[0])
            for node_id, group in self.groups.items()
            if scope.key is None or scope.key.value == group
        ]

    def with_instances(self, instances: Iterable[str]) -> list[NodeRecord]:
        if self.broken:
            raise InventoryError(self.broken)
        wanted = set(instances)
        self.asked_for = wanted
        return [
            node(node_id, instance)
            for node_id, (instance, _host) in self.instances.items()
            if instance in wanted
        ]

    def groups_of_nodes(self) -> list[str]:
        if self.broken:
            raise InventoryError(self.broken)
        return sorted(set(self.groups.values()))

    # The service directory.
    def of(self, hosts: Iterable[HostName]) -> dict[HostName, ServiceRecord]:
        known = {HostName(s.host): s for s in self.services.values()}
        self.looked_up += 1
        return {h: self._record(known[h]) for h in hosts if h in known}

    def ironic(self) -> dict[HostName, ServiceRecord]:
        with_rows = set(self.rows.values())
        return {
            HostName(s.host): self._record(s)
            for s in self.services.values()
            if s.host in with_rows and not s.disabled
        }

    def _record(self, service: Service) -> ServiceRecord:
        return ServiceRecord(
            host=HostName(service.host),
            up=abs(self.now - service.heartbeat) <= DOWN_TIME,
            disabled=service.disabled,
            forced_down=service.forced_down,
            heartbeat=str(service.beats),
        )

    # The announcements.
    def in_rows(self, node_ids: Iterable[str]) -> list[Post]:
        found = []
        for node_id in node_ids:
            self.rows_read += 1
            words = epoch.read(self.words.get(node_id))
            host = self.rows.get(node_id)
            if words is not None and host and words.host == HostName(host):
                found.append(Post(node_id, words))
        return found

    def of_host(self, host: HostName) -> tuple[int, list[Post]]:
        rows = [n for n, h in self.rows.items() if HostName(h) == host]
        return len(rows), self.in_rows(rows)

    # The claims.
    def instances_of(self, host: HostName) -> frozenset[str]:
        return frozenset(
            instance
            for instance, where in self.instances.values()
            if HostName(where) == host
        )

    def holders_of(self, node_ids: Iterable[str]) -> dict[str, HostName]:
        return {
            node_id: HostName(self.rows[node_id])
            for node_id in node_ids
            if node_id in self.rows
        }


class Inventory:
    """The world's node inventory under the port's names."""

    def __init__(self, world: World) -> None:
        self.nodes = world.nodes
        self.with_instances = world.with_instances
        self.groups = world.groups_of_nodes


class Tracker:
    """A resource tracker with its cache of rows, and the claims it shows."""

    def __init__(self, world: World, host: str, speaks: bool) -> None:
        self.world = world
        self.host = host
        self.speaks = speaks
        self.cache: set[str] = set()
        self.instances_of = world.instances_of
        self.holders_of = world.holders_of

    def known_rows(self) -> frozenset[str]:
        return frozenset(self.cache)

    def run(self, partition: Partition) -> frozenset[str]:
        nodes = frozenset(partition.sweep_to_report().nodes)
        self.cache = {
            node for node in self.cache if self.world.rows[node] == self.host
        }
        for node_id in nodes:
            if node_id in self.cache or not partition.overtaken(node_id):
                words = (
                    partition.announcement(node_id) if self.speaks else None
                )
                self.world.report(self.host, [node_id], words)
                self.cache.add(node_id)
        return nodes


class Peer:
    """One nova-compute: a heartbeat, a partition, resource tracker runs.

    :param speaks: it announces its epoch, as nova's own driver does not.
    :param skew: seconds that its wall clock is ahead of the others'.
    """

    def __init__(
        self,
        world: World,
        host: str,
        peer_list: Iterable[str],
        *,
        key: str | None = "a",
        settle_time: float = 60.0,
        points: int = 1024,
        speaks: bool = True,
        skew: float = 0.0,
    ) -> None:
        self.world = world
        self.host = host
        self.points = points
        self.skew = skew
        self.speaks = speaks
        self.settle_time = settle_time
        self.key = key
        self.start(peer_list)

    def start(self, peer_list: Iterable[str]) -> None:
        """A new process: nothing is remembered."""
        self.tracker = Tracker(self.world, self.host, self.speaks)
        self.partition = Partition(
            self._settings(peer_list),
            Inventory(self.world),
            self.world,
            self.tracker,
            self.world,
            clock=lambda: self.world.now,
        )
        self.world.services.setdefault(
            self.host, Service(self.host, self.world.now)
        )
        self.beat()

    def reload(self, peer_list: Iterable[str]) -> None:
        self.partition.apply(self._settings(peer_list))

    def beat(self) -> None:
        service = self.world.services[self.host]
        service.heartbeat = self.world.now + self.skew
        service.beats += 1

    def run(self) -> frozenset[str]:
        """One resource tracker run; returns what was reported."""
        return self.tracker.run(self.partition)

    def _settings(self, peer_list: Iterable[str]) -> conf.Settings:
        return conf.settings(
            host=self.host,
            partition_key=self.key,
            conductor_group=None,
            shard=None,
            peer_list=list(peer_list),
            points=self.points,
            down_time=DOWN_TIME,
            settle_time=self.settle_time,
        )
