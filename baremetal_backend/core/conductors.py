# SPDX-License-Identifier: Apache-2.0
"""Who is alive: conclusions from watching the others' beats.

A conductor counts up a number in its row. Others look at the rows and judge
by their own monotonic clock how long a number has not changed; no clock is
compared with another machine's, so that a clock that is wrong or stepped
ends nobody. A row that was not seen to change yet is believed as long as a
silent one would be, unless its own time says that it is old: such a row gets
no work until it moves, and is declared gone no sooner than the others. A time
in which the observer did not look counts as nobody's silence.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from baremetal_backend.core.records import ConductorRecord

ACTIVE = "active"
DRAINING = "draining"
GONE = "gone"


class Health(enum.Enum):
    """What an observer thinks of a conductor."""

    #: It works, and gets work.
    LIVE = "live"
    #: Its beat was not seen to move, and its row looks old.
    UNPROVEN = "unproven"
    #: It finishes what it has, and gets nothing new.
    DRAINING = "draining"
    #: Its beat has not moved for the whole time-out: it may be declared gone.
    SILENT = "silent"
    #: Somebody declared it gone.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Sighting:
    """The last beat that was seen of one incarnation."""

    incarnation: str
    beat: int
    #: Monotonic seconds of the observer when this beat was first seen.
    since: float
    #: Whether the beat was seen to change.
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A conductor, with what is thought of it and why."""

    record: ConductorRecord
    health: Health
    reason: str


@dataclass(frozen=True, slots=True)
class Membership:
    """All conductors at one moment, by host."""

    members: tuple[Member, ...] = ()
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    #: Monotonic seconds of the observer.
    looked_at: float | None = None

    def of(self, *healths: Health) -> tuple[ConductorRecord, ...]:
        """Records of the members in one of these conditions."""
        return tuple(m.record for m in self.members if m.health in healths)

    @property
    def live(self) -> tuple[ConductorRecord, ...]:
        """Those that get work."""
        return self.of(Health.LIVE)

    def alive(self, incarnation: str) -> bool:
        """Whether this process may still be working: not known to be gone."""
        return any(
            m.record.incarnation == incarnation
            and m.health not in (Health.SILENT, Health.GONE)
            for m in self.members
        )


# Seconds between two looks; what is above was an outage of the observer.
_LONGEST_BLINK = 5.0


def observe(
    before: Membership,
    rows: Iterable[ConductorRecord],
    now: float,
    timeout: float,
    *,
    looks_old: frozenset[str] = frozenset(),
    trusted: frozenset[str] = frozenset(),
) -> Membership:
    """Look at the rows once more.

    ``now``: monotonic seconds; ``timeout``: seconds without a change after
    which a conductor is silent. ``looks_old``: incarnations whose row is old
    by the wall clock. ``trusted``: incarnations that need not be watched,
    such as the observer's own.
    """
    sightings: dict[str, Sighting] = {}
    members = []
    gap = now - before.looked_at if before.looked_at is not None else 0.0
    missed = gap if gap > _LONGEST_BLINK else 0.0
    for row in sorted(rows, key=lambda r: r.host):
        seen = _sighting(before.sightings.get(row.host), row, now, missed)
        sightings[row.host] = seen
        old = row.incarnation in looks_old and not seen.moved
        silence = 0.0 if row.incarnation in trusted else now - seen.since
        members.append(_judge(row, silence, timeout, old))
    return Membership(tuple(members), sightings, now)


def _sighting(
    before: Sighting | None, row: ConductorRecord, now: float, missed: float
) -> Sighting:
    if before is None:
        return Sighting(row.incarnation, row.beat, now)
    if before.incarnation != row.incarnation:
        # Somebody has just registered.
        return Sighting(row.incarnation, row.beat, now, moved=True)
    if before.beat != row.beat:
        return Sighting(row.incarnation, row.beat, now, moved=True)
    return dataclasses.replace(before, since=before.since + missed)


def _judge(
    row: ConductorRecord, silence: float, timeout: float, old: bool
) -> Member:
    if row.state == GONE:
        return Member(row, Health.GONE, f"{row.host} was declared gone")
    if silence >= timeout:
        reason = f"{row.host} has not renewed its record for {silence:.0f} s"
        return Member(row, Health.SILENT, reason)
    if row.state == DRAINING:
        return Member(row, Health.DRAINING, f"{row.host} is stopping")
    if old:
        reason = f"{row.host} last renewed its record at {row.renewed_at}"
        return Member(row, Health.UNPROVEN, reason)
    return Member(row, Health.LIVE, f"{row.host} renews its record")


__all__ = [
    "ACTIVE",
    "DRAINING",
    "GONE",
    "Health",
    "Member",
    "Membership",
    "Sighting",
    "observe",
]
