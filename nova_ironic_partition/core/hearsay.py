# SPDX-License-Identifier: Apache-2.0
"""What the peers announced, when it was heard, and where to listen next.

Announcements stand in a few compute node rows of each host, the same that
anybody would guess who has the same view. Turns are watched for change, as
heartbeats are: a turn that was not seen before was written since the last
look, whatever any clock says. An announcement that is not renewed for long
says nothing any more.
"""

from __future__ import annotations

import dataclasses
import heapq
import types
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from nova_ironic_partition.core.epoch import (
    Announcement,
    Difference,
    Epoch,
    difference,
)
from nova_ironic_partition.core.identity import HostName

#: Rows that carry a host's announcement. A run writes rows in any order, so
#: the first of eight is written after a ninth of the run.
ROWS = 8
#: Settle times without a new turn after which an announcement is stale.
STALE_AFTER = 3.0
#: The same in seconds, at least.
SHORTEST_STALE = 30.0
#: Settle times without a new turn after which it is looked for in other rows:
#: a host that serves another partition now has left its rows behind. More
#: than one, since two hosts that run at one interval may miss each other once.
OVERDUE_AFTER = 1.5
#: The same in seconds, at least.
SHORTEST_OVERDUE = 10.0
#: Seconds until all rows of a host are read again that announces nothing.
SEARCH_AGAIN = 600.0


class Post(NamedTuple):
    """An announcement and the node in whose row it was found."""

    node_id: str
    announcement: Announcement


def rows_to_write(
    claimed: Iterable[str], others: Iterable[str]
) -> frozenset[str]:
    """The nodes in whose rows a host announces its epoch.

    :param claimed: nodes that it reports since the ring gives them to it.
    :param others: what it reports besides; used if there are too few.
    """
    rows = heapq.nsmallest(ROWS, claimed)
    return frozenset(rows + heapq.nsmallest(ROWS - len(rows), others))


def rows_to_guess(
    hosts: Collection[HostName],
    free: Iterable[str],
    taken: Iterable[str],
    ours: Epoch,
) -> frozenset[str]:
    """Where these hosts announce if they see what we see.

    :param free: nodes of the scope without an instance.
    :param taken: the others; whose they are is not known.
    """
    guess: set[str] = set()
    wanted = {host.key: 2 * ROWS for host in hosts}
    for node_id in sorted(free):
        owner = ours.owner(node_id)
        if owner is not None and wanted.get(owner.key, 0):
            guess.add(node_id)
            wanted[owner.key] -= 1
            if not any(wanted.values()):
                return frozenset(guess)
    guess.update(heapq.nsmallest(ROWS * (len(hosts) + 1), taken))
    return frozenset(guess)


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """The latest announcement of a host.

    :param rows: where it stood.
    :param heard_at: monotonic seconds of the first look that showed the turn.
    :param renewed: an earlier look had shown another turn.
    :param same_since: monotonic seconds of the first look that showed the
        epoch.
    """

    announcement: Announcement
    rows: frozenset[str]
    heard_at: float
    renewed: bool
    same_since: float

    @property
    def epoch(self) -> Epoch:
        """What the host believes."""
        return self.announcement.epoch

    def overdue(self, now: float, settle_time: float) -> bool:
        """Should another turn have been seen by now?"""
        limit = max(OVERDUE_AFTER * settle_time, SHORTEST_OVERDUE)
        return now - self.heard_at >= limit

    def stale(self, now: float, settle_time: float) -> bool:
        """Was it not renewed for so long that it says nothing any more?"""
        limit = max(STALE_AFTER * settle_time, SHORTEST_STALE)
        return now - self.heard_at >= limit


@dataclasses.dataclass(frozen=True, slots=True)
class Hearsay:
    """The latest sightings, and who was searched for in vain.

    :param searched: host -> monotonic seconds when all of its rows were read.
    """

    of: Mapping[HostName, Sighting] = dataclasses.field(default_factory=dict)
    searched: Mapping[HostName, float] = dataclasses.field(
        default_factory=dict
    )

    def current(
        self, now: float, settle_time: float
    ) -> dict[HostName, Sighting]:
        """Those that still mean something."""
        return {
            host: sighting
            for host, sighting in self.of.items()
            if not sighting.stale(now, settle_time)
        }

    def overdue(
        self, hosts: Iterable[HostName], now: float, settle_time: float
    ) -> set[HostName]:
        """Those of these hosts that have not been heard lately."""
        return {
            host
            for host in hosts
            if host not in self.of or self.of[host].overdue(now, settle_time)
        }

    def known_rows(self, hosts: Iterable[HostName]) -> set[str]:
        """Where these hosts announced when last seen."""
        rows: set[str] = set()
        for host in hosts:
            if host in self.of:
                rows |= self.of[host].rows
        return rows

    def to_search(
        self, hosts: Iterable[HostName], now: float
    ) -> list[HostName]:
        """Whose rows may all be read now; the longest not searched first."""
        never = float("-inf")
        return sorted(
            (
                host
                for host in hosts
                if now - self.searched.get(host, never) >= SEARCH_AGAIN
            ),
            key=lambda host: (self.searched.get(host, never), host),
        )

    def heard(self, posts: Iterable[Post], now: float) -> Hearsay:
        """Take note of posts that were read just now; newest turns count."""
        by_host: dict[HostName, list[Post]] = {}
        for post in posts:
            by_host.setdefault(post.announcement.host, []).append(post)
        sightings = dict(self.of)
        for host, found in by_host.items():
            sightings[host] = _next(sightings.get(host), found, now)
        return dataclasses.replace(self, of=types.MappingProxyType(sightings))

    def after_search(self, host: HostName, now: float) -> Hearsay:
        """All rows of this host have been read, and there were some."""
        return dataclasses.replace(
            self,
            searched=types.MappingProxyType({**self.searched, host: now}),
        )


def _next(earlier: Sighting | None, found: list[Post], now: float) -> Sighting:
    """Older turns stand in rows that the present run has not reached yet."""
    found.sort(key=lambda post: -post.announcement.turn)
    newest = found[0].announcement
    rows = frozenset(post.node_id for post in found[: 2 * ROWS])
    if earlier is None:
        return Sighting(newest, rows, now, False, now)
    if earlier.announcement.turn == newest.turn:
        return dataclasses.replace(earlier, rows=rows)
    same = earlier.epoch == newest.epoch
    return Sighting(
        newest, rows, now, True, earlier.same_since if same else now
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """Our own epoch, and since when it has been this one."""

    epoch: Epoch
    since: float

    @classmethod
    def unknown(cls) -> Standing:
        """Before the first look; differs from every epoch."""
        return cls(Epoch(None, None, (), (), 0), 0.0)

    def next(self, epoch: Epoch, now: float) -> Standing:
        """Another epoch starts at this moment; the same one goes on."""
        return self if epoch == self.epoch else Standing(epoch, now)


def disagreements(
    ours: Standing,
    peers: Collection[HostName],
    heard: Mapping[HostName, Sighting],
    settle_time: float,
) -> dict[HostName, Difference]:
    """Who differs from us although there was time enough to see the same.

    A difference counts when the peer repeated it in a turn that began to
    show a settle time after both epochs were there. Hosts that are no peers
    of ours are compared only if they serve the same nodes.
    """
    found = {}
    for host, sighting in sorted(heard.items()):
        theirs = sighting.epoch
        if host not in peers and (theirs.key, theirs.shard) != (
            ours.epoch.key,
            ours.epoch.shard,
        ):
            continue
        begun = max(ours.since, sighting.same_since)
        if not sighting.renewed or sighting.heard_at < begun + settle_time:
            continue
        differs = difference(host, theirs, ours.epoch)
        if differs is not None:
            found[host] = differs
    return found
