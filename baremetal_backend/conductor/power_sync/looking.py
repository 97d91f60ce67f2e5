# SPDX-License-Identifier: Apache-2.0
"""Which nodes are followed: a look at the database, every few seconds.

A node that came is asked soon, and so is one that somebody has just done
something to. What interfaces have open for a node that went, or whose data
are others now, is given up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from baremetal_backend.conductor.own_nodes import Owns
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.roster import Followed, Roster
from baremetal_backend.core import power_schedule as schedule
from baremetal_backend.core.errors import BackendError
from baremetal_backend.core.power_schedule import Pace, Turn
from baremetal_backend.core.power_sync import Row, Standing, excluded
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.storage.power_rows import PowerRows

LOG = logging.getLogger(__name__)

# Seconds between two looks: few nodes are looked at often (1,000 take 11 ms),
# many cost no more than this part of the time.
_SHORTEST, _LONGEST = 1.0, 10.0
_SHARE = 0.005


class Looking:
    """Owned by the poller, whose thread calls it."""

    def __init__(
        self,
        context: Context,
        roster: Roster,
        rows: PowerRows,
        owns: Owns,
        chance: Callable[[], float],
    ) -> None:
        self._registry = context.registry
        self._drivers = tuple(context.registry.types)
        self._roster = roster
        self._rows = rows
        self._owns = owns
        self._chance = chance
        self._pace: Pace | None = None
        #: Seconds until the next look.
        self.period = _SHORTEST

    @property
    def began(self) -> bool:
        """Whether there was a look already."""
        return self._pace is not None

    def look(self, pace: Pace) -> None:
        """See who is there. Errors: StorageUnavailable."""
        began, owns = self._roster.monotonic(), self._owns
        rows = {
            row.uuid: row
            for row in self._rows.of_drivers(self._drivers)
            if owns(row.uuid, row.driver, row.conductor_group)
        }
        changed, begins = pace != self._pace, self._pace is None
        self._pace = pace
        for one in self._roster.all():
            row = rows.pop(one.uuid, None)
            if row is None:
                self._remove(one)
            else:
                self._seen_again(one, row, pace, changed)
        now = self._roster.monotonic()
        for row in rows.values():
            turn = self._first(row, pace, now, begins)
            self._roster.add(Followed(row, turn, now))
        took = self._roster.monotonic() - began
        self.period = min(_LONGEST, max(_SHORTEST, took / _SHARE))

    def _first(self, row: Row, pace: Pace, now: float, begins: bool) -> Turn:
        every = pace.every(row.faulty)
        if every is None or excluded(row) is not None:
            return Turn()
        if begins:
            return schedule.first(every, now, self._chance())
        return schedule.soon(Turn(), now, self._chance())

    def _seen_again(
        self, one: Followed, row: Row, pace: Pace, changed: bool
    ) -> None:
        if one.in_flight:
            # What it was when it was asked is compared with the answer.
            return
        before, one.row = one.row, row
        every = pace.every(row.faulty)
        if every is None or excluded(row) is not None:
            if one.turn.due is not None:
                self._roster.ask_at(one, None)
            return
        now = self._roster.monotonic()
        if one.turn.due is None or _something_happened(before, row, one):
            turn = schedule.soon(one.turn, now, self._chance())
        elif changed:
            turn = _sooner(one.turn, now + every * self._chance())
        else:
            return
        if turn is not one.turn:
            self._roster.set_turn(one, turn)

    def _remove(self, one: Followed) -> None:
        self._roster.remove(one)
        self._forget(one.node)

    def replace_record(self, one: Followed, node: Node) -> None:
        """The node's whole record was read again."""
        before = one.node
        one.node = node
        if before is None:
            return
        if _reached_by(before) != _reached_by(node):
            self._forget(before)
            one.interface = None
            one.standing = Standing()
            self._roster.set_turn(one, Turn(one.turn.due))

    def _forget(self, known: Node | None) -> None:
        """Let all of the node's interfaces let go of it."""
        if known is None:
            return
        try:
            driver = self._registry.driver(known)
            for kind in INTERFACES:
                interface = driver.find(kind)
                if interface is not None:
                    interface.forget(known)
        except BackendError as error:
            LOG.debug("Node %s: nothing to let go: %s", known.uuid, error)
        except Exception:
            LOG.exception("Node %s: an interface did not let go.", known.uuid)


def _reached_by(node: Node) -> tuple[object, ...]:
    return node.driver, node.power_interface, node.driver_info


def _something_happened(before: Row, row: Row, one: Followed) -> bool:
    """Whether the node is worth a question of its own."""
    if before.version == row.version or (row.faulty and not before.faulty):
        return False
    if one.turn.failures:
        # Maybe somebody changed what keeps it from answering.
        return True
    return (
        before.provision_state != row.provision_state
        or before.power_interface != row.power_interface
    )


def _sooner(turn: Turn, due: float) -> Turn:
    if turn.due is not None and turn.due <= due:
        return turn
    return schedule.at(turn, due)


__all__ = ["Looking"]
