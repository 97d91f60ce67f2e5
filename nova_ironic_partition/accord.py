# SPDX-License-Identifier: Apache-2.0
"""This service's part in the talk of peers about their epochs.

It listens to what the others announced, says who disagrees, and composes what
this service announces. Owned by the partition, whose sweeps run one at a
time; :meth:`Accord.text_for` is called on any thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from oslo_log import log as logging

from nova_ironic_partition.conf import Settings
from nova_ironic_partition.core import hearsay
from nova_ironic_partition.core.epoch import (
    LAST_TURN,
    Announcement,
    Difference,
    Epoch,
)
from nova_ironic_partition.core.hearsay import Hearsay, Sighting, Standing
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.membership import View
from nova_ironic_partition.core.snapshot import NodeRecord, Snapshot
from nova_ironic_partition.ports import Announcements

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Posting:
    """What is to be written into which rows."""

    rows: frozenset[str]
    text: str | None


class Accord:
    """What the peers believe, and what this service tells them."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements
        self._hearsay = Hearsay()
        self._standing = Standing.unknown()
        self._named: Mapping[HostName, Difference] = {}
        # Unknown until the rows were read that an earlier process wrote.
        self._turn: int | None = None
        self._posting = Posting(frozenset(), None)

    def stand(self, settings: Settings, view: View, now: float) -> Epoch:
        """This service's epoch, with these settings and this view."""
        epoch = Epoch.of(
            settings.scope.key,
            settings.scope.shard,
            settings.peers,
            view.membership.live,
            settings.points,
        )
        self._standing = self._standing.next(epoch, now)
        return epoch

    def listen(
        self,
        settings: Settings,
        hosts: Collection[HostName],
        nodes: Iterable[NodeRecord],
        now: float,
    ) -> dict[HostName, Sighting]:
        """What these hosts announce, as far as it is known and not stale.

        :param nodes: of the scope; some of them carry the announcements.
        """
        wanted = set(hosts)
        if self._turn is None:
            wanted.add(settings.me)
        heard = self._read(settings, wanted, nodes, now)
        if self._turn is None:
            mine = heard.of.get(settings.me)
            self._turn = mine.announcement.turn if mine else 0
        self._hearsay = heard
        current = heard.current(now, settings.settle_time)
        return {
            host: sighting
            for host, sighting in current.items()
            if host in wanted and host != settings.me
        }

    def compare(
        self,
        settings: Settings,
        peers: Collection[HostName],
        heard: Mapping[HostName, Sighting],
    ) -> int:
        """Say who disagrees, once for each change.

        :returns: how many of the peers announce this service's epoch.
        """
        ours = self._standing.epoch
        silent = self._named.keys() - heard.keys()
        agree = {
            host
            for host in self._named.keys() - silent
            if heard[host].epoch == ours
        }
        # Whoever was named is not cleared by being about to change its mind.
        left = {
            host: difference
            for host, difference in self._named.items()
            if host not in silent | agree
        }
        found = dict(left)
        found.update(
            hearsay.disagreements(
                self._standing, peers, heard, settings.settle_time
            )
        )
        if silent:
            LOG.info(
                "Not heard any more: %s. When last heard: %s.",
                ", ".join(map(str, sorted(silent))),
                "; ".join(self._named[host].what for host in sorted(silent)),
            )
        if found and (agree or found != left):
            LOG.warning(
                "Peers do not see what this service sees: %s. %s",
                "; ".join(found[host].what for host in sorted(found)),
                _advice(found),
            )
        elif agree:
            LOG.info(
                "Peers that see what this service sees again: %s; epoch %s.",
                ", ".join(map(str, sorted(agree))),
                ours.digest,
            )
        self._named = found
        return sum(
            host in heard and heard[host].epoch == ours for host in peers
        )

    def announce(self, me: HostName, snapshot: Snapshot) -> None:
        """From now on, what the resource tracker runs with is this."""
        self._turn = (self._turn or 0) % LAST_TURN + 1
        self._posting = Posting(
            hearsay.rows_to_write(
                snapshot.claimed, snapshot.nodes.keys() - snapshot.claimed
            ),
            Announcement(me, self._turn, snapshot.epoch).write(),
        )

    def text_for(self, node_id: str) -> str | None:
        """What to write into the row of this node, if anything."""
        posting = self._posting
        return posting.text if node_id in posting.rows else None

    def _read(
        self,
        settings: Settings,
        wanted: set[HostName],
        nodes: Iterable[NodeRecord],
        now: float,
    ) -> Hearsay:
        heard = self._hearsay
        rows = heard.known_rows(wanted)
        overdue = heard.overdue(wanted, now, settings.settle_time)
        if overdue:
            rows |= self._guess(overdue, nodes)
        posts = self._announcements.in_rows(sorted(rows)) if rows else []
        heard = heard.heard(posts, now)
        overdue = heard.overdue(wanted, now, settings.settle_time)
        for host in heard.to_search(overdue, now):
            count, posts = self._announcements.of_host(host)
            if count:
                # No more than one in a sweep, since it takes time.
                return heard.after_search(host, now).heard(posts, now)
        return heard

    def _guess(
        self, hosts: Collection[HostName], nodes: Iterable[NodeRecord]
    ) -> frozenset[str]:
        free: list[str] = []
        taken: list[str] = []
        for node in nodes:
            (free if node.instance_id is None else taken).append(node.id)
        return hearsay.rows_to_guess(hosts, free, taken, self._standing.epoch)


def _advice(found: Mapping[HostName, Difference]) -> str:
    if any(difference.configured for difference in found.values()):
        return (
            "Make [ironic]partition_key, [ironic]peer_list and "
            "[ironic_partition]ring_points the same on all of them, then "
            "send SIGHUP."
        )
    return (
        "Their settings are the same: look at the line 'Members of the ring' "
        "in the log of each of them."
    )
