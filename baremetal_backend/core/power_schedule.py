# SPDX-License-Identifier: Apache-2.0
"""When a node is next asked for its power state.

Each node has a time of its own: work is a trickle, and not a burst every
minute. A slow controller is asked less often, a silent one ever less often, up
to a limit; what a user has just done is looked at soon. A first failure is
confirmed at once, so that a controller that is gone is known as such within
seconds, and that a lost packet makes no noise.

``Budget`` says how many may be asked in a second. With more nodes than it
allows, each waits its turn: the period grows, the rate does not.

All times are seconds of one monotonic clock; ``chance`` is a number from 0 up
to 1 that spreads what would coincide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Part of the interval by which two questions may be closer or further apart.
_JITTER = 0.1

# A controller spends at most this part of its time on answers for us.
_SHARE = 0.05

# How much one more answer moves the average of their seconds.
_WEIGHT = 0.2

# Each further failure makes the pause longer by this, up to so many intervals.
_BACKOFF = 1.5
_LONGEST = 4.0

# Seconds after which a first failure is confirmed.
_CONFIRM = 0.5

# Seconds within which a node is asked that something has happened to.
_SOON = 2.0

# Once a budget is used up, this many seconds' worth are asked together.
_WORTH = 0.1

# Questions come at multiples of this: those of one moment share a query.
_GRAIN = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How often nodes are asked, by the options; 0 or less: not at all."""

    interval: float = 60.0
    #: For nodes that are in maintenance because of a power failure.
    recovery: float = 300.0

    def every(self, faulty: bool) -> float | None:
        """Seconds between two questions; None: nobody asks."""
        chosen = self.recovery if faulty else self.interval
        return chosen if chosen > 0 else None


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a node is in its schedule."""

    #: When it is asked next; None: it is not.
    due: float | None = None
    #: Seconds that an answer takes, on average of the latest ones.
    latency: float = 0.0
    #: Questions in a row that were not answered.
    failures: int = 0

    @property
    def confirmed(self) -> bool:
        """Whether it failed, and not just once."""
        return self.failures > 1


def first(every: float | None, now: float, chance: float) -> Turn:
    """A node at the start: all are spread over their interval."""
    return Turn(None if every is None else _whole(now, every * chance))


def answered(
    turn: Turn, every: float | None, now: float, took: float, chance: float
) -> Turn:
    """There was an answer, after ``took`` seconds."""
    weight = _WEIGHT if turn.latency else 1.0
    latency = turn.latency + weight * (max(0.0, took) - turn.latency)
    due = None
    if every is not None:
        stretched = min(max(every, latency / _SHARE), every * _LONGEST)
        due = _whole(now, _shaken(stretched, chance))
    return Turn(due, latency)


def failed(
    turn: Turn,
    every: float | None,
    now: float,
    chance: float,
    confirm: bool = True,
) -> Turn:
    """There was none. ``confirm``: ask again at once if it is the first."""
    failures = turn.failures + 1
    if every is None:
        return replace(turn, due=None, failures=failures)
    if failures == 1 and confirm:
        pause = min(_CONFIRM, every)
        return replace(turn, due=now + pause, failures=failures)
    # The second is no more than the confirmation of the first.
    rounds = max(0, failures - 2)
    longer = min(_LONGEST, _BACKOFF ** min(rounds, 20))
    due = _whole(now, _shaken(every * longer, chance))
    return replace(turn, due=due, failures=failures)


def soon(turn: Turn, now: float, chance: float) -> Turn:
    """Something happened to the node: look at it."""
    wanted = now + _SOON * chance
    if turn.due is not None and turn.due <= wanted:
        return turn
    return replace(turn, due=wanted)


def at(turn: Turn, due: float | None) -> Turn:
    """The same node at another time; None: not asked."""
    return Turn(due, turn.latency, turn.failures)


def _shaken(seconds: float, chance: float) -> float:
    return seconds * (1 + _JITTER * (2 * chance - 1))


def _whole(now: float, seconds: float) -> float:
    due = now + seconds
    if seconds <= _GRAIN:
        return due
    return math.ceil(due / _GRAIN) * _GRAIN


@dataclass(frozen=True, slots=True)
class Budget:
    """A bucket of tokens, one for each question.

    ``rate``: how many a second brings; 0: there is no limit.
    """

    rate: float
    tokens: float
    at: float

    @classmethod
    def full(cls, rate: float, now: float) -> Budget:
        """A new bucket."""
        return cls(rate, _size(rate), now)

    def refilled(self, now: float) -> Budget:
        """What it holds by now."""
        if self.rate <= 0 or now <= self.at:
            return self
        tokens = self.tokens + (now - self.at) * self.rate
        return Budget(self.rate, min(tokens, _size(self.rate)), now)

    def allows(self, wanted: int) -> int:
        """How many of so many questions may be asked now."""
        if self.rate <= 0:
            return wanted
        return min(wanted, math.floor(self.tokens))

    def spent(self, asked: int) -> Budget:
        """After so many questions."""
        if self.rate <= 0:
            return self
        return replace(self, tokens=self.tokens - asked)

    def wait(self) -> float:
        """Seconds until it is worth to ask again: not for each single one."""
        if self.rate <= 0 or self.tokens >= 1:
            return 0.0
        worth = max(1.0, self.rate * _WORTH)
        return (worth - self.tokens) / self.rate


def _size(rate: float) -> float:
    """Half a second's worth may go out at once."""
    return max(1.0, rate * _GRAIN)


__all__ = [
    "Budget",
    "Pace",
    "Turn",
    "answered",
    "at",
    "failed",
    "first",
    "soon",
]
