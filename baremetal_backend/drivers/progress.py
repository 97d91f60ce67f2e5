# SPDX-License-Identifier: Apache-2.0
"""How a driver's work goes on: blocking, pausing, or reported by others.

The words for it, which ``drivers.base`` explains and offers.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeVar


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after this many seconds."""

    seconds: float


class Wait(enum.Enum):
    """The type of ``WAIT``."""

    WAIT = "wait"


#: What a step ends with that goes on by itself: somebody reports its end.
WAIT: Final = Wait.WAIT

T = TypeVar("T")

#: Long work that ends with a T.
Steps = Generator[Pause, None, T]

#: What a long method returns: nothing when it is done, or what is left to do.
Progress = Generator[Pause, None, None] | None


#: What a step returns: like ``Progress``, or one of the two with ``WAIT``.
StepProgress = Wait | Generator[Pause, None, Wait | None] | None


def finish(progress: Progress) -> Steps[None]:
    """``yield from finish(...)``: do what a driver's method left to do."""
    if progress is not None:
        yield from progress


__all__ = [
    "WAIT",
    "Pause",
    "Progress",
    "StepProgress",
    "Steps",
    "Wait",
    "finish",
]
