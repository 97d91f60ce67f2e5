# SPDX-License-Identifier: Apache-2.0
"""What came back: compared, remembered, judged, and acted on.

An answer is compared with the node as it was when it was asked. All that a
batch of answers leads to is written at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.power_sync.acting import Acting, Decided
from baremetal_backend.conductor.power_sync.asking import checked
from baremetal_backend.conductor.power_sync.looking import Looking
from baremetal_backend.conductor.power_sync.roster import (
    Answered,
    Followed,
    Message,
    Observation,
    Restored,
    Source,
    Switched,
    Trouble,
)
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.core import power_schedule as schedule
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.power_schedule import Pace
from baremetal_backend.core.power_sync import (
    Policy,
    Reading,
    Row,
    excluded,
    forgiven,
    is_settled,
    judge,
)
from baremetal_backend.drivers.base import PowerReading

LOG = logging.getLogger(__name__)

# Seconds until the database, or a thread, is asked for again.
_RETRY = 5.0


@dataclass(slots=True)
class _Results:
    """The options for a batch of messages, and what it came to."""

    pace: Pace
    policy: Policy
    writes: list[Decided] = field(default_factory=list)
    forces: list[Decided] = field(default_factory=list)
    looked: bool = False


class Answers:
    """Owned by the poller, whose thread calls it."""

    def __init__(
        self,
        context: Context,
        looking: Looking,
        acting: Acting,
        may_act: Callable[[Row], bool],
        chance: Callable[[], float],
    ) -> None:
        self._context = context
        self._roster = context.power_roster
        self._looking = looking
        self._acting = acting
        self._may_act = may_act
        self._chance = chance

    def take_in(self, messages: Sequence[Message]) -> None:
        """Errors: StorageUnavailable; the nodes are asked again."""
        power = self._context.settings.power
        results = _Results(
            pace_of(power),
            Policy(
                power.force_power_state_during_sync,
                power.power_state_sync_max_retries,
                float(power.sync_power_state_interval),
            ),
        )
        for message in messages:
            try:
                self._take_one(message, results)
            except StorageUnavailable as error:
                LOG.debug("%s waits for the database: %s", message, error)
            except Exception:
                LOG.exception("Nothing came of %s.", message)
        self._act(results)

    def _take_one(self, message: Message, results: _Results) -> None:
        if isinstance(message, Answered):
            self._answered(message, results)
        elif isinstance(message, Switched):
            self._switched(message, results)
        elif isinstance(message, Restored):
            self._restored(message)
        else:
            self._wanted(message.uuids, results.pace)

    def _answered(self, message: Answered, results: _Results) -> None:
        one = self._roster.find(message.uuid)
        if one is None or not one.in_flight or one.number != message.number:
            return
        one.in_flight = False
        self._roster.in_flight -= 1
        reading = checked(message.reading)
        if reading.retry_after is not None:
            # Nothing is known that was not known before: it counts for
            # nothing.
            later = self._roster.monotonic() + max(1.0, reading.retry_after)
            self._roster.ask_at(one, later)
            return
        self._note(one, reading, results.pace)
        row = one.row
        if is_settled(row, reading.state, one.standing):
            return
        verdict = judge(
            row,
            Reading(
                reading.state,
                one.asked_at,
                reading.error,
                one.turn.confirmed,
            ),
            one.standing,
            results.policy,
        )
        before, one.standing = one.standing, verdict.standing
        if verdict.action == "nothing":
            return
        if not self._may_act(row):
            return
        decided = Decided(one, row, verdict, before)
        if verdict.goal is not None:
            results.forces.append(decided)
        else:
            results.writes.append(decided)

    def _note(self, one: Followed, reading: PowerReading, pace: Pace) -> None:
        """Remember what was read, and when to ask again."""
        now, counts = self._roster.monotonic(), self._roster.counts
        every = pace.every(one.row.faulty)
        if reading.state is not None:
            counts.compared += 1
            if one.turn.confirmed:
                LOG.warning(
                    "Node %s: its power state is read again.", one.uuid
                )
            one.trouble = None
            self._observe(one, reading.state, one.asked_at, "poll")
            turn = schedule.answered(
                one.turn, every, now, reading.seconds, self._chance()
            )
        else:
            kind = reading.error_kind or "unreachable"
            counts.errors[kind] += 1
            one.trouble = Trouble(reading.error or "no answer", kind)
            # Who has no session for us now has none in a second either.
            turn = schedule.failed(
                one.turn, every, now, self._chance(), kind != "busy"
            )
            if turn.failures == 2:
                LOG.warning(
                    "Node %s: its power state can't be read (%s): %s",
                    one.uuid,
                    kind,
                    one.trouble.error,
                )
        self._roster.set_turn(one, turn)

    @staticmethod
    def _observe(one: Followed, state: str, at: float, source: Source) -> None:
        before = one.observation
        if before is None or before.at <= at:
            one.observation = Observation(state, at, source)

    def _switched(self, message: Switched, results: _Results) -> None:
        """An operation saw the state that it reached: look at it soon."""
        if self._roster.find(message.uuid) is None and not results.looked:
            # A node that came since the last look.
            results.looked = True
            self._looking.look(results.pace)
        one = self._roster.find(message.uuid)
        if one is None:
            return
        self._observe(one, message.state, message.at, "command")
        self._soon(one)

    def _restored(self, message: Restored) -> None:
        one = self._roster.find(message.uuid)
        if one is not None and not message.begun:
            one.standing = forgiven(one.standing)
            self._roster.ask_at(one, self._roster.monotonic() + _RETRY)

    def _wanted(self, uuids: Sequence[str] | None, pace: Pace) -> None:
        """Somebody wants to know these now."""
        wanted = self._found(uuids)
        if not self._looking.began or any(
            one is None or excluded(one.row) for one in wanted
        ):
            # Maybe they came, or came to rest, since the last look.
            self._looking.look(pace)
            wanted = self._found(uuids)
        now = self._roster.monotonic()
        for one in wanted:
            if one is None or one.in_flight or excluded(one.row):
                continue
            self._roster.ask_at(one, now)

    def _found(self, uuids: Sequence[str] | None) -> Sequence[Followed | None]:
        if uuids is None:
            return self._roster.all()
        return [self._roster.find(uuid) for uuid in uuids]

    def _soon(self, one: Followed) -> None:
        if not one.in_flight and one.turn.due is not None:
            now = self._roster.monotonic()
            turn = schedule.soon(one.turn, now, self._chance())
            if turn is not one.turn:
                self._roster.set_turn(one, turn)

    def _act(self, results: _Results) -> None:
        for decided in results.forces:
            self._acting.restore(decided)
        if not results.writes:
            return
        now = self._roster.monotonic()
        try:
            lost = self._acting.write(results.writes)
        except BaseException:
            for decided in results.writes:
                self._roster.ask_at(decided.one, now + _RETRY)
            raise
        again = {decided.row.uuid for decided in lost}
        for decided in results.writes:
            if decided.row.uuid in again:
                # What was not done is not over.
                decided.one.standing = decided.before
                self._soon(decided.one)
            elif decided.verdict.action in ("give up", "recover"):
                # From now on it has the other interval.
                every = results.pace.every(decided.verdict.action == "give up")
                due = None if every is None else now + every
                self._roster.ask_at(decided.one, due)


def pace_of(power: PowerSettings) -> Pace:
    """What the options say of it."""
    return Pace(
        float(power.sync_power_state_interval),
        float(power.power_failure_recovery_interval),
    )


__all__ = ["Answers", "pace_of"]
