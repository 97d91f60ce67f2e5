# SPDX-License-Identifier: Apache-2.0
"""What one service believes of its partition, and how two beliefs differ.

An epoch is everything that decides which nodes a service reports: partition
key, shard, configured peers, live members, and points of the ring. Services
announce their epochs to each other in full, so that one can compute what
another reports, and name what it sees differently. The digest is for people
and for one glance.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from nova_ironic_partition.core.identity import HostName, PartitionKey
from nova_ironic_partition.core.ring import MOST_POINTS, Ring

#: Of the written form. A service that reads another one treats the writer
#: as one that announces nothing.
FORMAT = 1
#: Characters. Nova keeps it in a column of 64 KiB, beside other statistics.
LONGEST = 32_768
#: After it a host begins at 1 again. Exact in whatever reads JSON.
LAST_TURN = 2**53 - 1
#: Characters; of the column in which Ironic keeps it.
LONGEST_SHARD = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """One view of a partition; hosts are lower-cased and sorted.

    :param key: conductor group, '' is the default one; ``None`` is all.
    :param peers: hosts that may be members; ``None`` is every service of
        hypervisor type ironic.
    :param live: the members of the ring.
    :param points: of each member on the ring.
    """

    key: str | None
    shard: str | None
    peers: tuple[str, ...] | None
    live: tuple[str, ...]
    points: int

    @classmethod
    def of(
        cls,
        key: PartitionKey | None,
        shard: str | None,
        peers: Iterable[HostName] | None,
        live: Iterable[HostName],
        points: int,
    ) -> Epoch:
        """Normalise; order and case of hosts do not matter."""
        return cls(
            None if key is None else key.value,
            shard or None,
            None if peers is None else _keys(peers),
            _keys(live),
            points,
        )

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits; equal for equal epochs only."""
        text = json.dumps(dataclasses.astuple(self))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def owner(self, node_id: str) -> HostName | None:
        """The member that a service with this epoch leaves a free node to."""
        return _ring(self.live, self.points).owner(node_id)

    def could_name(self, host: HostName) -> bool:
        """Would this service know of the host, if it was to have nodes?

        Without a list of peers it knows those only that have a node already.
        """
        return self.peers is not None or host.key in self.live

    def lists(self, other: Epoch) -> bool:
        """Does it look at each node that the other one looks at?"""
        return self.key in (None, other.key) and self.shard in (
            None,
            other.shard,
        )


@functools.lru_cache(maxsize=64)
def _ring(live: tuple[str, ...], points: int) -> Ring:
    return Ring(map(HostName, live), points)


def _keys(hosts: Iterable[HostName]) -> tuple[str, ...]:
    return tuple(sorted({host.key for host in hosts}))


@dataclasses.dataclass(frozen=True, slots=True)
class Announcement:
    """What a service tells its peers with each resource tracker run.

    It is true at the moment in which it is written: the service reports the
    free nodes that this epoch gives it, and no others.

    :param turn: larger in each later announcement of the host, up to
        :data:`LAST_TURN`.
    """

    host: HostName
    turn: int
    epoch: Epoch

    def write(self) -> str | None:
        """The text for :func:`read`; ``None`` if there is no room for it."""
        text = json.dumps(
            {
                "v": FORMAT,
                "host": self.host.display,
                "turn": self.turn,
                "epoch": self.epoch.digest,
                **dataclasses.asdict(self.epoch),
            },
            separators=(",", ":"),
        )
        return text if len(text) <= LONGEST else None


def read(text: object) -> Announcement | None:
    """An announcement, or ``None`` for what is none in this format.

    Whatever can write to Nova's database wrote the text. Names pass the
    checks of configured ones and numbers are bounded, so that nothing that
    is done with the epoch fails.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    try:
        found = json.loads(text)
        if _number(found["v"], LAST_TURN) != FORMAT:
            return None
        return Announcement(
            _host(found["host"]),
            _number(found["turn"], LAST_TURN),
            Epoch.of(
                None
                if found["key"] is None
                else PartitionKey(_text(found["key"])),
                None if found["shard"] is None else _shard_of(found["shard"]),
                None if found["peers"] is None else _hosts(found["peers"]),
                _hosts(found["live"]),
                _number(found["points"], MOST_POINTS),
            ),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _host(value: Any) -> HostName:
    return HostName.configured(_text(value))


def _hosts(value: Any) -> list[HostName]:
    if not isinstance(value, list):
        raise TypeError
    return [_host(name) for name in value]


def _shard_of(value: Any) -> str:
    shard = _text(value)
    # Half a surrogate pair is a string, but no text: it has no bytes.
    if len(shard) > LONGEST_SHARD or not shard.encode():
        raise ValueError
    return shard


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise TypeError
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """How a peer's epoch differs from ours.

    :param what: a clause for the log.
    :param configured: a person wrote it; if not, it is what the two observe.
    """

    what: str
    configured: bool


def difference(
    peer: HostName, theirs: Epoch, ours: Epoch
) -> Difference | None:
    """Name it, or ``None`` if there is none.

    Members follow from lists: they are compared when all else is equal.
    """
    clauses = []
    if theirs.key != ours.key:
        clauses.append(
            f"{peer} has {_key(theirs.key)} and this service {_key(ours.key)}"
        )
    if theirs.shard != ours.shard:
        clauses.append(
            f"{peer} has {_shard(theirs.shard)} and this service "
            f"{_shard(ours.shard)}"
        )
    if theirs.points != ours.points:
        clauses.append(
            f"{peer} has ring_points {theirs.points} and this service "
            f"{ours.points}"
        )
    if not clauses and theirs.peers != ours.peers:
        clauses.append(_lists(f"{peer}'s peer_list", theirs.peers, ours.peers))
    if clauses:
        return Difference(", ".join(clauses), configured=True)
    if theirs.live != ours.live:
        return Difference(
            _lists(f"{peer}'s ring", theirs.live, ours.live),
            configured=False,
        )
    return None


def _key(key: str | None) -> str:
    return "no partition key" if key is None else f"partition key {key!r}"


def _shard(shard: str | None) -> str:
    return "no shard" if shard is None else f"shard {shard!r}"


def _lists(
    whose: str,
    theirs: tuple[str, ...] | None,
    ours: tuple[str, ...] | None,
) -> str:
    """Which hosts one of two lists has and the other has not."""
    have, want = set(theirs or ()), set(ours or ())
    parts = []
    if want - have:
        parts.append(f"lacks {', '.join(sorted(want - have))}")
    if have - want:
        parts.append(f"has {', '.join(sorted(have - want))} besides")
    return f"{whose} {' and '.join(parts)}"
