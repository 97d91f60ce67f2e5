# SPDX-License-Identifier: Apache-2.0
"""Tables for a terminal. Pure text."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int


def render(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return an aligned table; numbers are set to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(len(line[column]) for line in [list(headers), *texts])
        for column in range(len(headers))
    ]
    lines = [
        "  ".join(h.ljust(w) for h, w in zip(headers, widths, strict=True)),
        "  ".join("-" * width for width in widths),
    ]
    for row, text in zip(rows, texts, strict=True):
        cells = [
            cell.rjust(width) if isinstance(value, int) else cell.ljust(width)
            for value, cell, width in zip(row, text, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(line.rstrip() for line in lines)
