# SPDX-License-Identifier: Apache-2.0
"""Which nodes a periodic task is for, as a value that two can read.

The storage makes a condition of its query of it, and the conductor asks the
same of a node that it read again later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.core.records import Node

#: Words for "this column has a value".
_PRESENCE = {"reserved": "reservation", "associated": "instance_uuid"}

# Mappings and lists are text in the database; nothing can be asked of them.
_NOT_COLUMNS = frozenset(
    f.name
    for f in dataclasses.fields(Node)
    if "Json" in str(f.type) or "tuple" in str(f.type)
)
_COLUMNS = frozenset(f.name for f in dataclasses.fields(Node)) - _NOT_COLUMNS


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions on a node that must all hold."""

    #: (column, values): the column has one of the values.
    one_of: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    #: (column, whether it has a value).
    present: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Filters:
        """From ``{"provision_state_in": (...), "reserved": False, ...}``.

        A column's name asks for a value (None: for none), ``<column>_in`` for
        one of several, ``reserved`` and ``associated`` whether there is one.
        Errors: ValueError for a word that means nothing.
        """
        one_of: list[tuple[str, tuple[Any, ...]]] = []
        present: list[tuple[str, bool]] = []
        for word, value in words.items():
            several = word.removesuffix("_in")
            if word in _PRESENCE:
                present.append((_PRESENCE[word], bool(value)))
            elif word in _COLUMNS and value is None:
                present.append((word, False))
            elif word in _COLUMNS:
                one_of.append((word, (value,)))
            elif word.endswith("_in") and several in _COLUMNS:
                one_of.append((several, tuple(value)))
            else:
                raise ValueError(f'filters: "{word}" can\'t be asked for')
        return cls(tuple(one_of), tuple(present))

    def let_through(self, node: Node) -> bool:
        """Whether all conditions hold for this node."""
        return all(
            getattr(node, column) in values for column, values in self.one_of
        ) and all(
            (getattr(node, column) is not None) is there
            for column, there in self.present
        )


__all__ = ["Filters"]
