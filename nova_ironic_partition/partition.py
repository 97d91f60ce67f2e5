# SPDX-License-Identifier: Apache-2.0
"""This host's share of a partition: sweeps it and remembers the last answer.

A sweep asks the ports, lets the core decide, and swaps one snapshot in. If a
port fails, the previous snapshot stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from oslo_log import log as logging

from nova_ironic_partition.accord import Accord
from nova_ironic_partition.conf import Settings
from nova_ironic_partition.core import snapshot as core
from nova_ironic_partition.core.heartbeats import Heartbeats
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import (
    Membership,
    ServiceRecord,
    View,
)
from nova_ironic_partition.core.ownership import Evidence
from nova_ironic_partition.core.snapshot import NodeRecord
from nova_ironic_partition.ports import (
    Announcements,
    Claims,
    InventoryError,
    NodeInventory,
    ServiceDirectory,
)

LOG = logging.getLogger(__name__)

EVERYTHING = core.Scope(None, None)


class Partition:
    """Owns the settings in force and the last snapshot of this host.

    Readers take ``snapshot`` without a lock; sweeps run one at a time.

    :param clock: returns monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        inventory: NodeInventory,
        services: ServiceDirectory,
        claims: Claims,
        announcements: Announcements,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._inventory = inventory
        self._services = services
        self._claims = claims
        self._accord = Accord(announcements)
        self._clock = clock
        self._heartbeats = Heartbeats()
        self._sweeping = threading.Lock()
        self._view: View | None = None
        self._guard = core.ShrinkGuard()
        self._empty: core.Scope | None = None
        self.snapshot: core.Snapshot | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    def apply(self, settings: Settings) -> None:
        """Put other settings in force, from the next sweep on."""
        self._settings = settings

    def observe(self) -> View:
        """Ask Nova for the members; log what changed."""
        with self._sweeping:
            return self._observe(self._settings)

    def sweep(self) -> core.Snapshot:
        """List and judge all nodes of the partition.

        :returns: the snapshot now in force; the previous one if the listing
            is in doubt.
        :raises InventoryError: the Bare Metal API gave no complete answer;
            the previous snapshot stays in force.
        """
        with self._sweeping:
            return self._sweep(self._settings)

    def sweep_to_report(self) -> core.Snapshot:
        """Sweep, and announce the result to the peers.

        To be asked by the resource tracker only: what is announced is what
        it reports in the run that begins now.

        :raises InventoryError: as :meth:`sweep`.
        """
        with self._sweeping:
            snapshot = self._sweep(self._settings)
            self._accord.announce(self._settings.me, snapshot)
            return snapshot

    def announcement(self, node_id: str) -> str | None:
        """What to tell the peers in the row of this node, if anything."""
        return self._accord.text_for(node_id)

    def overtaken(self, node_id: str) -> HostName | None:
        """Did a living host take the row of this node since the last run?

        To be asked when the resource tracker is about to write the row of a
        reported node: it would snatch the node back.

        :returns: the host that has it now.
        """
        snapshot = self.snapshot
        if (
            snapshot is None
            or node_id not in snapshot.held
            or node_id in self._claims.known_rows()
        ):
            return None
        holder = self._claims.holders_of([node_id]).get(node_id)
        if holder is None or holder == self._settings.me:
            return None
        live = self._live(self._settings, snapshot.view, {holder})
        return holder if holder in live else None

    def _sweep(self, settings: Settings) -> core.Snapshot:
        started = self._clock()
        previous = self.snapshot
        nodes = self._inventory.nodes(settings.scope)
        listed_at = self._clock()
        listed = frozenset(node.id for node in nodes)
        doubt = self._guard.doubts(
            previous, settings.scope, listed, settings.shrink_percent
        )
        if doubt and previous:
            LOG.warning(
                "%s. Keeping the previous %d nodes until the next sweep "
                "confirms it ([ironic_partition]shrink_guard_percent).",
                doubt,
                len(previous.nodes),
            )
            return previous
        self._warn_if_empty(settings, listed)
        # Instances are read after the nodes: a list that is older than the
        # nodes would miss an instance that was just placed (bug 1853009).
        instances = self._claims.instances_of(settings.me)
        nodes += self._strays(settings.scope, nodes, instances)
        view = self._observe(settings)
        found = core.shortlist(nodes, view, settings.me, instances)
        evidence = self._evidence(settings, view, instances, found, nodes)
        taken = core.take(settings.scope, listed, found, evidence)
        self.snapshot = taken
        peers = set(view.membership.live) - {settings.me}
        agreeing = self._accord.compare(settings, peers, evidence.heard)
        LOG.info(
            "Partition sweep: %s; %.2f s in the Bare Metal API, %.2f s in "
            "Nova; epoch %s, announced by %d of %d other members.",
            taken.summary(),
            listed_at - started,
            self._clock() - listed_at,
            taken.epoch.digest,
            agreeing,
            len(peers),
        )
        for node_id, verdict in taken.waiting.items():
            LOG.debug("Node %s not reported: %s.", node_id, verdict.reason)
        return taken

    def _strays(
        self,
        scope: core.Scope,
        nodes: Iterable[NodeRecord],
        instances: frozenset[str],
    ) -> list[NodeRecord]:
        """Nodes of this host's instances that left the scope.

        They stay with this host while the instance lives. An instance that is
        being built has no node yet, and costs a look-up.
        """
        if scope == EVERYTHING:
            return []
        missing = instances - {node.instance_id for node in nodes}
        return self._inventory.with_instances(missing) if missing else []

    def _evidence(
        self,
        settings: Settings,
        view: View,
        instances: frozenset[str],
        found: core.Shortlist,
        nodes: Iterable[NodeRecord],
    ) -> Evidence:
        known = self._known_rows()
        others = [n for n in found.candidates if n not in known]
        holders = self._claims.holders_of(others) if others else {}
        live = self._live(settings, view, set(holders.values()))
        now = self._clock()
        epoch = self._accord.stand(settings, view, now)
        heard = self._accord.listen(settings, live - {settings.me}, nodes, now)
        evidence = Evidence(
            me=settings.me,
            view=view,
            instances=instances,
            known_rows=known,
            holders=holders,
            live=live,
            contests={},
            settle_time=settings.settle_time,
            now=now,
            epoch=epoch,
            heard=heard,
        )
        return core.with_contests(self.snapshot, evidence)

    def _known_rows(self) -> frozenset[str]:
        """Rows that need no look-up.

        The resource tracker still knows rows of nodes that this host gave
        away since its last run; a peer may have them by now.
        """
        if self.snapshot is None:
            return frozenset()
        return self._claims.known_rows().intersection(self.snapshot.nodes)

    def _live(
        self, settings: Settings, view: View, hosts: set[HostName]
    ) -> set[HostName]:
        """The members, and those of these hosts that could be members."""
        live = set(view.membership.live)
        strangers = hosts - live - set(view.membership.excluded)
        if strangers:
            records = self._judged(settings, self._services.of(strangers))
            live |= {h for h, r in records.items() if r.absence is None}
        return live

    def _judged(
        self, settings: Settings, records: Mapping[HostName, ServiceRecord]
    ) -> dict[HostName, ServiceRecord]:
        """The records just read, alive or not by what is seen from here."""
        now = self._clock()
        self._heartbeats = self._heartbeats.seen(records, now)
        return self._heartbeats.judge(records, settings.down_time, now)

    def _observe(self, settings: Settings) -> View:
        if settings.peers is None:
            services = self._judged(
                settings,
                {
                    **self._services.ironic(),
                    **self._services.of([settings.me]),
                },
            )
            peers = dict.fromkeys([*services, settings.me])
            membership = Membership.of(peers, services)
            # Services that have no node yet are not known.
            complete = False
        else:
            services = self._judged(
                settings, self._services.of(settings.peers)
            )
            membership = Membership.of(settings.peers, services)
            complete = not membership.excluded
        view = View.after(
            self._view,
            membership,
            points=settings.points,
            complete=complete,
            now=self._clock(),
        )
        if self._view is None or self._view.membership != membership:
            level = logging.WARNING if membership.excluded else logging.INFO
            LOG.log(level, "Members of the ring: %s.", membership)
        self._view = view
        return view

    def _warn_if_empty(
        self, settings: Settings, listed: frozenset[str]
    ) -> None:
        """Name the groups that exist, once until nodes appear."""
        scope = settings.scope
        if listed or scope.key is None or scope.shard:
            self._empty = None
            return
        if self._empty == scope:
            return
        try:
            groups = self._inventory.groups()
        except InventoryError:
            return
        self._empty = scope
        LOG.warning(
            "No node is in conductor group %r ([ironic]partition_key); nodes "
            "are in: %s.",
            scope.key.value,
            ", ".join(map(repr, groups)) or "no group",
        )
