# SPDX-License-Identifier: Apache-2.0
"""Figures that a process shows, before anybody formats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, with a value for each combination of label values."""

    #: Without the service's prefix; a counter's name has no ``_total``.
    name: str
    help: str
    #: A gauge goes up and down, a counter only up.
    kind: Kind
    labels: tuple[str, ...] = ()
    #: (label values, value).
    values: tuple[tuple[tuple[str, ...], float], ...] = ()


#: Called whenever somebody asks.
Source = Callable[[], Iterable[Figure]]


class Named(Protocol):
    """A thing that has figures of its own."""

    @property
    def name(self) -> str:
        """The value of its label."""
        ...


T = TypeVar("T", bound=Named)

#: (name, kind, help, value; None: nothing to show yet).
Quantity = tuple[str, Kind, str, Callable[[T], float | None]]


def of_each(
    prefix: str,
    label: str,
    quantities: Sequence[Quantity[T]],
    things: Sequence[T],
) -> Iterator[Figure]:
    """Each quantity, with a value for each thing that has one.

    ``prefix``: of the quantities' names; ``label``: what the things are.
    """
    for name, kind, meaning, value in quantities:
        values = tuple(
            ((one.name,), float(figure))
            for one in things
            if (figure := value(one)) is not None
        )
        yield Figure(f"{prefix}_{name}", meaning, kind, (label,), values)


__all__ = ["Figure", "Kind", "Named", "Quantity", "Source", "of_each"]
