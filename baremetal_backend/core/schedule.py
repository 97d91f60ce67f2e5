# SPDX-License-Identifier: Apache-2.0
"""When a periodic task runs next, and what becomes of runs that come too soon.

A task is due at the points of a grid: every ``spacing`` seconds from its first
point on, wherever its runs end, so that it does not drift. It is *running*
from ``tick`` to ``ended`` and never twice at a time. All times are seconds of
one monotonic clock; ``chance`` is a number from 0 up to 1.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace


class Overrun(enum.Enum):
    """What becomes of a run that is due while the last one still runs."""

    #: It does not take place; the next one is as due as ever.
    SKIP = "skip"
    #: One takes place as soon as the last one ended, however many were due.
    QUEUE_ONE = "queue one"


@dataclass(frozen=True, slots=True)
class Plan:
    """How often a task runs, all options being looked up."""

    spacing: float
    enabled: bool = True
    run_immediately: bool = False
    overrun: Overrun = Overrun.SKIP
    #: Part of the spacing by which a run may be late, by chance.
    jitter: float = 0.0

    def shift(self, chance: float) -> float:
        """Seconds that a run is late by chance."""
        return self.spacing * self.jitter * chance


@dataclass(frozen=True, slots=True)
class Timing:
    """Where a task is on its grid."""

    plan: Plan
    #: The next point of the grid.
    point: float
    #: When the next run begins; None: never (not enabled).
    due: float | None
    running: bool = False
    #: A run takes place as soon as the present one ends.
    queued: bool = False
    #: A run was due during the present one.
    overran: bool = False
    #: Points of the grid at which no run began.
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Begin:
    """A run begins now, ``lag`` seconds after it was due."""

    lag: float


@dataclass(frozen=True, slots=True)
class Overran:
    """A run was due while the last one still runs.

    ``first``: the first time that this happens to the present run.
    """

    first: bool


def start(plan: Plan, now: float, chance: float) -> Timing:
    """A task that is new."""
    if plan.run_immediately:
        return Timing(plan, now, now if plan.enabled else None)
    return _at(Timing(plan, now, None), now + plan.spacing, chance)


def tick(
    timing: Timing, now: float, chance: float
) -> tuple[Timing, Begin | Overran | None]:
    """Look at the clock: does a run begin?"""
    if timing.due is None or timing.due > now:
        return timing, None
    following, left_out = _following(timing, now)
    if not timing.running:
        begun = replace(
            timing,
            running=True,
            overran=False,
            missed=timing.missed + left_out,
        )
        return _at(begun, following, chance), Begin(now - timing.due)
    queues = timing.plan.overrun is Overrun.QUEUE_ONE and not timing.queued
    overran = replace(
        timing,
        overran=True,
        queued=timing.queued or queues,
        missed=timing.missed + left_out + (0 if queues else 1),
    )
    return _at(overran, following, chance), Overran(first=not timing.overran)


def ended(timing: Timing, now: float) -> Timing:
    """The present run ended."""
    idle = replace(timing, running=False, queued=False)
    if timing.queued and timing.due is not None:
        return replace(idle, due=now)
    return idle


def replan(timing: Timing, plan: Plan, now: float, chance: float) -> Timing:
    """The configuration was read again.

    A task whose plan is as before keeps its grid. With another spacing the
    next run comes that long after the last point, at once if that is past.
    """
    if plan == timing.plan:
        return timing
    changed = replace(timing, plan=plan)
    if not plan.enabled:
        return replace(changed, due=None, queued=False)
    if timing.due is None:
        return _at(changed, now + plan.spacing, chance)
    last = timing.point - timing.plan.spacing
    return _at(changed, max(now, last + plan.spacing), chance)


def _at(timing: Timing, point: float, chance: float) -> Timing:
    due = point + timing.plan.shift(chance) if timing.plan.enabled else None
    return replace(timing, point=point, due=due)


def _following(timing: Timing, now: float) -> tuple[float, int]:
    """The first point after now, and how many are left out before it."""
    if now < timing.point:  # a queued run
        return timing.point, 0
    spacing = timing.plan.spacing
    left_out = max(0, math.floor((now - timing.point) / spacing))
    following = timing.point + (left_out + 1) * spacing
    # Rounding: a point that is not after now would be due again at once.
    if following <= now:
        return following + spacing, left_out + 1
    return following, left_out


__all__ = [
    "Begin",
    "Overran",
    "Overrun",
    "Plan",
    "Timing",
    "ended",
    "replan",
    "start",
    "tick",
]
