# SPDX-License-Identifier: Apache-2.0
"""Rows to JSON text, column by column.

JSON columns are stored as text and are put into the answer as they are;
decoding and encoding them again was two thirds of a page's time. A renderer
is made per request from parts: a name, the columns it is made of, and a
function from their values to JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

Encode = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Part:
    """One member of each object."""

    name: str
    columns: tuple[str, ...]
    encode: Encode


class Renderer:
    """Turns rows of ``columns`` into JSON objects."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self.columns = tuple(
            dict.fromkeys(name for part in parts for name in part.columns)
        )
        members = (
            encode_basestring(part.name).replace("%", "%%") + ": %s"
            for part in parts
        )
        self._template = "{" + ", ".join(members) + "}"

    def texts(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """The JSON text of each row."""
        if not rows:
            return []
        if not self._parts:
            return ["{}"] * len(rows)
        values = dict(zip(self.columns, zip(*rows, strict=True), strict=True))
        encoded = [
            map(_encoder(part), *(values[name] for name in part.columns))
            for part in self._parts
        ]
        return list(map(self._template.__mod__, zip(*encoded, strict=True)))


class _Memo(dict[Any, str]):
    """JSON texts of values. Most columns of a page have few: states, flags."""

    def __missing__(self, value: Any) -> str:
        text = scalar(value)
        # 1 and True are the same key; no column has both.
        self[value] = text
        return text


def _encoder(part: Part) -> Encode:
    return _Memo().__getitem__ if part.encode is scalar else part.encode


def scalar(value: Any) -> str:
    """JSON text of a value that is no JSON column."""
    if value.__class__ is str:
        return encode_basestring(value)
    return json.dumps(value)


def text(value: str) -> str:
    """JSON text of a value that is always text, and another in each row."""
    return encode_basestring(value)


def stored(text: str | None) -> str:
    """JSON text of a JSON column: what is stored."""
    return "{}" if text is None else text


def collection(
    name: str, texts: Iterable[str], next_link: str | None = None
) -> bytes:
    """The document of a list."""
    tail = f', "next": {encode_basestring(next_link)}' if next_link else ""
    return f'{{"{name}": [{", ".join(texts)}]{tail}}}'.encode()
