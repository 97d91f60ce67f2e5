# SPDX-License-Identifier: Apache-2.0
"""How full the lanes are, as figures."""

from __future__ import annotations

from collections.abc import Iterable

from baremetal_backend.conductor.workers import Lanes
from baremetal_backend.core.figures import (
    Figure,
    Quantity,
    Source,
    of_each,
)
from baremetal_backend.core.lanes import LaneFigures

_QUANTITIES: tuple[Quantity[LaneFigures], ...] = (
    ("size", "gauge", "Pieces of work at a time.", lambda x: x.size),
    ("busy", "gauge", "Pieces of work that run.", lambda x: x.busy),
    ("paused", "gauge", "Pieces of work that pause.", lambda x: x.paused),
    ("waiting", "gauge", "Pieces that could go on.", lambda x: x.waiting),
    (
        "oldest_wait_seconds",
        "gauge",
        "How long the first of them has been waiting.",
        lambda x: x.oldest_wait,
    ),
    ("admitted", "counter", "Pieces that were let in.", lambda x: x.admitted),
    ("refused", "counter", "Pieces that were refused.", lambda x: x.refused),
)


def figures(lanes: Lanes) -> Source:
    """What is shown of all lanes."""

    def source() -> Iterable[Figure]:
        return of_each("lane", "lane", _QUANTITIES, lanes.figures())

    return source


__all__ = ["figures"]
