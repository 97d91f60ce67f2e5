# SPDX-License-Identifier: Apache-2.0
"""The backend's state table as rows and diagrams, for its documentation.

Reads :mod:`baremetal_backend.core.states` and decides nothing of its own: a
state or verb that is added there appears here. Must not know Sphinx.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator

from baremetal_backend.core.states import (
    STATES,
    VERBS,
    Kind,
    State,
    Takeover,
)

#: What :class:`Kind` means to an operator.
WHO_ACTS = {
    Kind.REST: "nobody; the node is where it was sent",
    Kind.FAILED: "you; ``last_error`` says what went wrong",
    Kind.BUSY: "the conductor",
    Kind.WAITING: "something outside that is going to report",
    Kind.HELD: "you; ``unhold`` goes on",
}


def after_takeover(row: State) -> str:
    """Where a node is found after its conductor died."""
    if row.on_takeover is Takeover.RESUME:
        return f"done again, once; then {row.events['fail']}"
    if row.on_takeover is Takeover.FAIL:
        return row.events["fail"]
    if row.on_takeover is Takeover.LEAVE:
        return "stays; goes on to be watched"
    return "stays"


def after_timeout(row: State) -> str:
    """What follows when nothing is heard, and which option says when."""
    if row.on_timeout is None:
        return "stays"
    following = row.events[row.on_timeout.event]
    return f"{following}, by ``[conductor]{row.on_timeout.option}``"


def verbs_of(event: str) -> tuple[str, ...]:
    """The verbs of the API that cause an event; empty for internal ones."""
    return tuple(name for name, verb in VERBS.items() if verb.event == event)


def label(event: str) -> str:
    """An event as an operator knows it: by its verbs, or its own name."""
    return ", ".join(verbs_of(event)) or event


@dataclasses.dataclass(frozen=True)
class Edge:
    """One transition of the table."""

    source: str
    event: str
    target: str


def edges() -> list[Edge]:
    """All transitions, in the order of the table."""
    return [
        Edge(name, event, target)
        for name, row in STATES.items()
        for event, target in row.events.items()
    ]


@dataclasses.dataclass(frozen=True)
class Journey:
    """A piece of work: how it begins, who works, how it ends.

    :param busy: the state in which the conductor works.
    :param wait: the state in which it waits for a report, if there is one.
    :param hold: the state in which it is held for a person, if there is one.
    """

    busy: str
    wait: str | None
    hold: str | None
    begins: tuple[Edge, ...]
    inside: tuple[Edge, ...]
    ends: tuple[Edge, ...]


def journeys() -> list[Journey]:
    """One for each state in which the conductor works."""
    return [
        _journey(name) for name, row in STATES.items() if row.kind is Kind.BUSY
    ]


def _journey(busy: str) -> Journey:
    wait, hold = _beside(busy, Kind.WAITING), _beside(busy, Kind.HELD)
    inner = {busy, wait, hold}
    every = edges()
    return Journey(
        busy,
        wait,
        hold,
        tuple(e for e in every if e.target in inner and e.source not in inner),
        tuple(e for e in every if e.source in inner and e.target in inner),
        tuple(e for e in every if e.source in inner and e.target not in inner),
    )


def _beside(busy: str, kind: Kind) -> str | None:
    """The state of this kind that the work goes to and comes back from."""
    for target in STATES[busy].events.values():
        if STATES[target].kind is kind:
            return target
    return None


def direct_edges() -> list[Edge]:
    """Transitions without work: from one stable state to another."""
    return [
        e
        for e in edges()
        if STATES[e.source].stable and STATES[e.target].stable
    ]


def state_rows() -> Iterator[tuple[str, str, str, str, str]]:
    """State, who acts next, what it takes, on restart, on silence."""
    for name, row in STATES.items():
        taken = [
            f"{label(event)} → {target}"
            for event, target in row.events.items()
        ]
        yield (
            name,
            WHO_ACTS[row.kind],
            "; ".join(taken) or "nothing",
            after_takeover(row),
            after_timeout(row),
        )


def verb_rows() -> Iterator[tuple[str, str, str]]:
    """Verb, where it is taken and leads, when it is refused."""
    for name, verb in VERBS.items():
        taken = [
            f"{state} → {row.events[verb.event]}"
            for state, row in STATES.items()
            if verb.event in row.events
        ]
        refused = []
        if verb.needs_no_maintenance:
            refused.append("in maintenance")
        if verb.ends_instance:
            refused.append("protected")
        yield name, "; ".join(taken), ", ".join(refused) or "never"


# -- diagrams --------------------------------------------------------------

_BOX = 150
_ROW = 34
_LEFT, _MIDDLE, _RIGHT = 10, 330, 650
_WIDTH = _RIGHT + _BOX + 10
_STYLE = (
    "font-family:monospace;font-size:13px;max-width:100%;height:auto;"
    "background:#fff"
)
_ARROW = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" '
    'markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>'
)


def diagram(journey: Journey) -> str:
    """A journey as SVG: sources left, work in the middle, results right."""
    left = _grouped(journey.begins, by="source")
    right = _grouped(journey.ends, by="target")
    inner = [journey.busy, *filter(None, (journey.wait, journey.hold))]
    rows = max(
        sum(map(len, left.values())),
        sum(map(len, right.values())),
        3 * len(inner) - 2,
    )
    height = rows * _ROW + 20
    # The work stands between what it waits for and what it is held for.
    if len(inner) == 3:
        inner = [journey.wait, journey.busy, journey.hold]
    first = height / 2 - 1.5 * _ROW * (len(inner) - 1)
    middle = {name: first + 3 * _ROW * n for n, name in enumerate(inner)}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'style="{_STYLE}"><title>{html.escape(journey.busy)}</title>',
        _ARROW,
    ]
    for name, y in middle.items():
        parts.append(_box(_MIDDLE, y, _ROW - 8, name, "#e8f0fb"))
    parts.extend(_inside(journey, middle))
    parts.extend(_column(_LEFT, left, height, middle, leaving=True))
    parts.extend(_column(_RIGHT, right, height, middle, leaving=False))
    parts.append("</svg>")
    return "".join(parts)


def _grouped(found: tuple[Edge, ...], by: str) -> dict[str, list[Edge]]:
    groups: dict[str, list[Edge]] = {}
    for edge in found:
        groups.setdefault(getattr(edge, by), []).append(edge)
    return groups


def _column(
    x: int,
    groups: dict[str, list[Edge]],
    height: float,
    middle: dict[str, float],
    *,
    leaving: bool,
) -> Iterator[str]:
    """Boxes with one row for each edge, and their edges to the middle."""
    y = (height - sum(map(len, groups.values())) * _ROW) / 2
    for name, found in groups.items():
        tall = len(found) * _ROW
        yield _box(x, y + tall / 2, tall - 8, name, "#f4f4f4")
        for edge in found:
            row = y + _ROW / 2
            y += _ROW
            text = label(edge.event)
            if leaving:
                yield _line(x + _BOX, row, _MIDDLE, middle[edge.target])
                yield _text(x + _BOX + 8, row - 5, text, "start")
            else:
                yield _line(_MIDDLE + _BOX, middle[edge.source], x, row)
                yield _text(x - 10, row - 5, text, "end")


def _inside(journey: Journey, middle: dict[str, float]) -> Iterator[str]:
    """Edges between the boxes in the middle, away from the work and back."""
    for edge in journey.inside:
        away = edge.source == journey.busy
        x = _MIDDLE + _BOX / 2 + (-12 if away else 12)
        sign = 1 if middle[edge.target] > middle[edge.source] else -1
        gap = (_ROW - 8) / 2
        start = middle[edge.source] + sign * gap
        end = middle[edge.target] - sign * gap
        yield _line(x, start, x, end)
        yield _text(
            x + (-6 if away else 6),
            (start + end) / 2 + 4,
            label(edge.event),
            "end" if away else "start",
        )


def _box(x: float, y: float, tall: float, name: str, fill: str) -> str:
    return (
        f'<rect x="{x}" y="{y - tall / 2}" width="{_BOX}" height="{tall}" '
        f'rx="4" fill="{fill}" stroke="#555"/>'
        + _text(x + _BOX / 2, y + 4, name, "middle")
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#555" '
        'marker-end="url(#a)"/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" '
        'style="paint-order:stroke" stroke="#fff" stroke-width="3">'
        f"{html.escape(text)}</text>"
    )
