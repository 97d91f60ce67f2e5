# SPDX-License-Identifier: Apache-2.0
"""Figures that a process shows, before anybody formats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, with a value for each combination of label values."""

    #: Without the service's prefix; a counter's name has no ``_total``.
    name: str
    help: str
    #: A gauge goes up and down, a counter only up.
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...] = ()
    #: (label values, value).
    values: tuple[tuple[tuple[str, ...], float], ...] = ()


#: Called whenever somebody asks.
Source = Callable[[], Iterable[Figure]]


__all__ = ["Figure", "Source"]
