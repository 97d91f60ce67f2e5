# SPDX-License-Identifier: Apache-2.0
"""Which peers take part in the ring, and since when.

A peer is a member when Nova has a service record for it that is up, enabled
and not forced down. The rules hold for this host as they hold for its peers.
Whether a record is up is judged in :mod:`.heartbeats`.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping

from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.ring import Ring


@dataclasses.dataclass(frozen=True, slots=True)
class ServiceRecord:
    """What Nova says of one nova-compute service.

    :param host: as Nova spells it.
    :param up: it is alive.
    :param heartbeat: another one for each sign of life; ``None`` if Nova
        keeps none.
    """

    host: HostName
    up: bool
    disabled: bool = False
    forced_down: bool = False
    heartbeat: str | None = None

    @property
    def absence(self) -> str | None:
        """Why this service is not a member; ``None`` if it is one."""
        if self.forced_down:
            return "forced down"
        if self.disabled:
            return "disabled"
        if not self.up:
            return "down"
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Membership:
    """The members of the ring, and the configured peers that are not.

    :param live: members, sorted.
    :param excluded: peer -> why it is no member.
    """

    live: tuple[HostName, ...]
    excluded: Mapping[HostName, str]

    @classmethod
    def of(
        cls,
        peers: Iterable[HostName],
        services: Mapping[HostName, ServiceRecord],
    ) -> Membership:
        """Apply the rules to each peer.

        :param services: the records that Nova has; a peer without one is
            unknown to Nova.
        """
        live = []
        excluded = {}
        for peer in peers:
            record = services.get(peer)
            absence = "unknown to Nova" if record is None else record.absence
            if absence is None:
                live.append(peer)
            else:
                excluded[peer] = absence
        return cls(tuple(sorted(live)), types.MappingProxyType(excluded))

    def __str__(self) -> str:
        live = ", ".join(map(str, self.live)) or "nobody"
        absent = "; ".join(f"{p} is {why}" for p, why in self.excluded.items())
        return f"{live} ({absent})" if absent else live


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """A membership with its ring and its age.

    :param since: monotonic seconds of the first observation of exactly these
        members and points.
    :param complete: every peer that can be a member is one, so there is no
        later arrival to wait for.
    """

    membership: Membership
    ring: Ring
    since: float
    complete: bool

    @classmethod
    def after(
        cls,
        previous: View | None,
        membership: Membership,
        *,
        points: int,
        complete: bool,
        now: float,
    ) -> View:
        """Observe a membership; its age goes on while nothing changes."""
        if (
            previous is not None
            and previous.ring.points == points
            and previous.membership.live == membership.live
        ):
            ring, since = previous.ring, previous.since
        else:
            ring, since = Ring(membership.live, points), now
        return cls(membership, ring, since, complete)

    def aged(self, now: float, seconds: float) -> bool:
        """Has it been unchanged for that long?"""
        return now - self.since >= seconds

    def settled(self, now: float, settle_time: float) -> bool:
        """May it be acted on where nobody else holds the node?"""
        return self.complete or self.aged(now, settle_time)
