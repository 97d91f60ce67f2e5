# SPDX-License-Identifier: Apache-2.0
"""How full the lanes are, as figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from baremetal_backend.conductor.workers import Lanes
from baremetal_backend.core.figures import Figure, Source
from baremetal_backend.core.lanes import LaneFigures

#: (name, kind, help, value).
_QUANTITIES: tuple[
    tuple[
        str, Literal["gauge", "counter"], str, Callable[[LaneFigures], float]
    ],
    ...,
] = (
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
        found = lanes.figures()
        for name, kind, meaning, value in _QUANTITIES:
            values = tuple(((one.name,), float(value(one))) for one in found)
            yield Figure(f"lane_{name}", meaning, kind, ("lane",), values)

    return source


__all__ = ["figures"]
