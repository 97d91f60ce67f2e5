# SPDX-License-Identifier: Apache-2.0
"""Asks this conductor's nodes for their power states, each at its own time.

One thread. It looks at the nodes of the database every few seconds (who came,
who went, who is at rest), sends the questions that are due, all of a moment
after one query, and compares what came back with the nodes as they were when
they were asked. It holds no node and no lock while it waits, and nobody waits
for it.

Guarantees that a node is asked by one question at a time, that what an
operation did in between is never overwritten, and that nothing it does keeps
the service from starting.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

from baremetal_backend.conductor.own_nodes import Owns
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.acting import Acting
from baremetal_backend.conductor.power_sync.answers import Answers, pace_of
from baremetal_backend.conductor.power_sync.asking import Asking, failure
from baremetal_backend.conductor.power_sync.looking import Looking
from baremetal_backend.conductor.power_sync.roster import (
    Answered,
    Followed,
    Roster,
)
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.core.errors import BackendError, StorageUnavailable
from baremetal_backend.core.power_schedule import Budget
from baremetal_backend.core.power_sync import Row, excluded
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import PowerInterface, PowerReading
from baremetal_backend.storage.power_rows import PowerRows

LOG = logging.getLogger(__name__)

# Seconds until the database, or a thread, is asked for again.
_RETRY = 5.0
_NO_THREAD = 0.25

# Seconds between two rounds while more nodes are due than may be asked.
_BACKLOG = 0.01

# Seconds after which a question is given up that no interface answered: far
# more than any of them may take.
_ABANDONED = 300.0

# Not for secrets: spreads questions.
_CHANCE = random.Random()  # noqa: S311


class Poller:
    """Owned by the runtime, which gives it a thread."""

    def __init__(
        self,
        context: Context,
        owns: Owns,
        active: Callable[[], bool] = lambda: True,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        """``owns``: whether a node is this conductor's; ``active``: whether
        this conductor may act."""
        self._context = context
        self.roster: Roster = context.power_roster
        self._owns = owns
        self._active = active
        self._rows = PowerRows(context.storage.database, context.storage.nodes)
        workers = context.settings.power.sync_power_state_workers
        self._asking = Asking(self.roster, workers)
        acting = Acting(context, self.roster, self._rows, self._asking)
        self._looking = Looking(context, self.roster, self._rows, owns, chance)
        self._answers = Answers(
            context, self._looking, acting, self._may_act, chance
        )
        now = self.roster.monotonic()
        self._budget = Budget.full(self._power.power_polls_per_second, now)
        self._next_look = now
        self._next_round = now
        self._stopped = False

    def _may_act(self, row: Row) -> bool:
        return self._active() and self._owns(
            row.uuid, row.driver, row.conductor_group
        )

    @property
    def _power(self) -> PowerSettings:
        return self._context.settings.power

    # -- the thread -----------------------------------------------------------

    def run(self) -> None:
        """Until ``stop``: the body of a thread."""
        pause = 0.0
        while not self._stopped:
            self.roster.wait(pause)
            if self._stopped:
                return
            try:
                pause = self.step()
            except StorageUnavailable as error:
                LOG.debug("Power states wait for the database: %s", error)
                pause = _RETRY
            except Exception:
                LOG.exception("Power states were not followed for a moment.")
                pause = _RETRY

    def stop(self) -> None:
        """End ``run``."""
        self._stopped = True
        self.roster.wake()
        self._asking.stop()

    def step(self) -> float:
        """Do what is to be done now; seconds until the next time.

        Errors: StorageUnavailable.
        """
        self._answers.take_in(self.roster.messages())
        now = self.roster.monotonic()
        if not self._active():
            return 1.0
        if now >= self._next_look:
            self._next_look = now + _RETRY
            self._give_up_abandoned(now)
            self._looking.look(pace_of(self._power))
            self._next_look = now + self._looking.period
        if now >= self._next_round:
            self._round(now)
        return self._pause()

    def _pause(self) -> float:
        now = self.roster.monotonic()
        until = self._next_look
        due = self.roster.next_due()
        if due is not None and self._room() > 0:
            until = min(until, max(due, self._next_round))
        return max(0.0, until - now)

    def _room(self) -> int:
        return self._power.power_polls_in_flight - self.roster.in_flight

    # -- asking ---------------------------------------------------------------

    def _round(self, now: float) -> None:
        """Ask those that are due, as far as it is allowed."""
        power = self._power
        if self._budget.rate != power.power_polls_per_second:
            self._budget = Budget.full(power.power_polls_per_second, now)
        self._budget = self._budget.refilled(now)
        most = self._budget.allows(max(0, self._room()))
        self._next_round = now + _BACKLOG
        if not most:
            self._next_round = now + max(_BACKLOG, self._budget.wait())
            return
        due = self.roster.due(now, most)
        chosen = []
        for one in due:
            if self._asking.can_ask(one):
                chosen.append(one)
            else:
                self.roster.ask_at(one, now + _NO_THREAD)
        if not chosen:
            return
        try:
            found = self._with_records(chosen)
        except BaseException:
            for one in chosen:
                self.roster.ask_at(one, now + _RETRY)
            raise
        asked = sum(self._ask(one, node) for one, node in found)
        self._budget = self._budget.spent(asked)
        self._next_round = now + max(_BACKLOG, self._budget.wait())
        self.roster.counts.ask(now, asked)

    def _with_records(
        self, chosen: Sequence[Followed]
    ) -> list[tuple[Followed, Node]]:
        """Those that may be asked, as they are now.

        Errors: StorageUnavailable.
        """
        rows = self._rows.of_nodes([one.uuid for one in chosen])
        wanted = []
        for one in chosen:
            row = rows.get(one.uuid)
            if row is None or excluded(row) is not None:
                # The next look says what becomes of it.
                self.roster.ask_at(one, None)
                one.row = row or one.row
                continue
            one.row = row
            wanted.append(one)
        stale = [
            one.uuid
            for one in wanted
            if one.node is None or one.node.version != one.row.version
        ]
        fresh = {node.uuid: node for node in self._rows.nodes(stale)}
        for one in wanted:
            if one.uuid in fresh:
                self._looking.replace_record(one, fresh[one.uuid])
        return [(one, one.node) for one in wanted if one.node is not None]

    def _ask(self, one: Followed, node: Node) -> bool:
        now = self.roster.monotonic()
        one.number = self.roster.next_number()
        one.asked_at = now
        try:
            if one.interface is None:
                one.interface = self._power_interface(node)
        except BackendError as error:
            self._begin(one)
            self.roster.put(
                Answered(one.uuid, one.number, _bad_data(failure(error)))
            )
            return True
        if not self._asking.ask(one, node, one.interface):
            self.roster.ask_at(one, now + _NO_THREAD)
            return False
        self._begin(one)
        return True

    def _begin(self, one: Followed) -> None:
        one.in_flight = True
        self.roster.in_flight += 1

    def _power_interface(self, node: Node) -> PowerInterface:
        return self._context.registry.driver(node).power

    def _give_up_abandoned(self, now: float) -> None:
        for one in self.roster.all():
            if one.in_flight and now - one.asked_at > _ABANDONED:
                error = f"no answer of any kind within {_ABANDONED:.0f} s"
                reading = PowerReading(None, error, "driver_fault", _ABANDONED)
                self.roster.put(Answered(one.uuid, one.number, reading))


def _bad_data(reading: PowerReading) -> PowerReading:
    return PowerReading(None, reading.error, "bad_data")


__all__ = ["Poller"]
