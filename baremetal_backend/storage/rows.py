# SPDX-License-Identifier: Apache-2.0
"""Between rows and records: which columns are JSON, and how they are read."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.storage.tables import JSON_KEY

R = TypeVar("R")

# What UTF-8 has no bytes for: halves of pairs, as tools' output that is not
# UTF-8 is often decoded to.
_NO_CHARACTER = re.compile("[\ud800-\udfff]")

_REPLACED = re.compile("[\0\ud800-\udfff]")


def encode_json(value: Any) -> str:
    """Compact JSON text; NaN and infinity are refused (ValueError)."""
    return json.dumps(
        value, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


class RowMapper(Generic[R]):
    """Turns rows of one table into records of one class, and back."""

    def __init__(self, table: sa.Table, record: Callable[..., R]) -> None:
        self._record = record
        self.fields: tuple[str, ...] = tuple(
            f.name
            for f in dataclasses.fields(record)  # type: ignore[arg-type]
        )
        self.columns = tuple(table.c[name] for name in self.fields)
        self.json_fields = frozenset(
            c.name for c in table.c if c.info.get(JSON_KEY)
        )
        self._lengths = {
            c.name: c.type.length
            for c in table.c
            if isinstance(c.type, sa.String) and c.type.length is not None
        }
        self._decoders = tuple(
            _decode if name in self.json_fields else None
            for name in self.fields
        )

    def record(self, row: Sequence[Any]) -> R:
        """The record of a row that was selected by ``columns``."""
        values = {
            name: value if decode is None else decode(value)
            for name, decode, value in zip(
                self.fields, self._decoders, row, strict=True
            )
        }
        return self._record(**values)

    def values(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Column values of record values. Unknown names: KeyError.

        Errors: InvalidParameterValue for a text that some database can't
        hold; it is refused on all of them.
        """
        unknown = changes.keys() - set(self.fields)
        if unknown:
            raise KeyError(f"no such field: {', '.join(sorted(unknown))}")
        return {
            name: self._value(name, value) for name, value in changes.items()
        }

    def _value(self, name: str, value: Any) -> Any:
        if name in self.json_fields:
            return encode_json(value)
        if not isinstance(value, str):
            return value
        length = self._lengths.get(name)
        if length is None:
            # A text for people, such as a BMC's words in last_error: one
            # bad character must not keep it from being told.
            return _REPLACED.sub("\N{REPLACEMENT CHARACTER}", value)
        if len(value) > length:
            raise InvalidParameterValue(
                f"The value of {name} has {len(value)} characters; "
                f"{length} are allowed."
            )
        if "\0" in value:
            raise InvalidParameterValue(
                f"The value of {name} has a NUL character."
            )
        if _NO_CHARACTER.search(value):
            raise InvalidParameterValue(
                f"The value of {name} has half of a character."
            )
        return value


def _decode(text: str) -> Any:
    # Most of a node's JSON columns are empty; it has a dozen.
    if text == "{}":
        return {}
    value = json.loads(text)
    return tuple(value) if isinstance(value, list) else value
