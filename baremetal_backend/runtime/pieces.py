# SPDX-License-Identifier: Apache-2.0
"""What runs beside the main thread: started once, stopped in reverse order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that runs beside the main thread until it is stopped."""

    start: Callable[[], None]
    stop: Callable[[], object]


def thread(
    name: str,
    run: Callable[[], None],
    stop: Callable[[], None],
    patience: float = 5.0,
) -> Piece:
    """A piece that is one thread: ``run`` returns soon after ``stop``."""
    one = threading.Thread(target=run, name=name, daemon=True)

    def end() -> None:
        stop()
        one.join(patience)

    return Piece(one.start, end)


def begin(cleanup: ExitStack, *pieces: Piece) -> None:
    """Start them in this order; ``cleanup`` gets what stops them."""
    for piece in pieces:
        piece.start()
        cleanup.callback(piece.stop)
