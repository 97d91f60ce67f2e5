# SPDX-License-Identifier: Apache-2.0
"""Is a registered process the same, alive, dead, or out of sight?

A process is named by the boot of its kernel, its process namespace, its
number and its start time: no two processes ever share all four. Only a
process of the same boot and namespace can be looked up; anything else is out
of sight, such as another machine or another container, also when both are
copies of one image.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


class Fate(enum.Enum):
    """What is known of another process."""

    SELF = "self"
    ALIVE = "alive"
    DEAD = "dead"
    OUT_OF_SIGHT = "out of sight"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Where and when a process began."""

    boot: str
    namespace: str
    pid: int
    #: In the kernel's unit, since its boot.
    started: int

    def __str__(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.started}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The identity that was written as text; None: it is no such text."""
        parts = text.split("/")
        if len(parts) != 4 or not (parts[2] + parts[3]).isdecimal():
            return None
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]))


def fate(
    text: str, me: ProcessIdentity, start_of: Callable[[int], int | None]
) -> Fate:
    """What became of the process that ``text`` names.

    ``start_of``: start time of a process of this machine, None if no process
    has this number.
    """
    other = ProcessIdentity.read(text)
    if other is None:
        return Fate.OUT_OF_SIGHT
    if other == me:
        return Fate.SELF
    if (other.boot, other.namespace) != (me.boot, me.namespace):
        return Fate.OUT_OF_SIGHT
    alive = start_of(other.pid) == other.started
    return Fate.ALIVE if alive else Fate.DEAD


__all__ = ["Fate", "ProcessIdentity", "fate"]
