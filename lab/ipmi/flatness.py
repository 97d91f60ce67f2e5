# SPDX-License-Identifier: Apache-2.0
"""Whether a process that ran for long grew meanwhile. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A process at one time."""

    memory_mib: float
    threads: int
    sockets: int
    #: Most slots that are taken at one controller.
    sessions: int


@dataclass(frozen=True)
class Limits:
    """What may be more at the end than after the first quarter."""

    memory_mib: float = 3.0
    #: A pool starts a worker when all others are busy at once, up to its
    #: size. A thread that is left by an operation would make hundreds.
    threads: int = 8
    #: Clients of the API come and go.
    sockets: int = 12
    #: At any time: the one that is used, and one that comes or goes.
    sessions: int = 2


@dataclass(frozen=True)
class Verdict:
    """What grew; empty if nothing did. And all of it, for people."""

    growing: tuple[str, ...]
    table: str


def judge(samples: Sequence[Sample], limits: Limits) -> Verdict:
    """Compare the second quarter with the last."""
    quarter = max(len(samples) // 4, 1)
    before, after = samples[quarter : 2 * quarter], samples[-quarter:]
    rows = [f"{'':<12}{'second quarter':>16}{'last quarter':>14}{'most':>10}"]
    growing = []
    for name in ("memory_mib", "threads", "sockets"):
        was, now = (
            statistics.median(getattr(one, name) for one in part)
            for part in (before, after)
        )
        most = max(getattr(one, name) for one in samples)
        rows.append(f"{name:<12}{was:>16.1f}{now:>14.1f}{most:>10.1f}")
        if now - was > getattr(limits, name):
            growing.append(f"{name}: {was:g} to {now:g}")
    most = max(one.sessions for one in samples)
    rows.append(f"{'sessions':<12}{'':>30}{most:>10}")
    if most > limits.sessions:
        growing.append(f"sessions: {most} at one controller")
    return Verdict(tuple(growing), "\n".join(rows))


__all__ = ["Limits", "Sample", "Verdict", "judge"]
