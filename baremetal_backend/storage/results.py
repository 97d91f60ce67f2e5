# SPDX-License-Identifier: Apache-2.0
"""How a compare-and-swap ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Changed(Generic[R]):
    """The row was as expected; ``record`` is what it is now."""

    record: R


@dataclass(frozen=True, slots=True)
class Lost(Generic[R]):
    """The row was not as expected and was left alone; ``current`` is it."""

    current: R
