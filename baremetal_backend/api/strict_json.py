# SPDX-License-Identifier: Apache-2.0
"""JSON as this service takes it: a strict subset that any database holds.

Refused beyond what the grammar refuses: a key twice in one object, NaN and
infinity (also as 1e999), nesting deeper than ``MAX_DEPTH``, unpaired
surrogates and NUL in strings. Everything that is refused is a
``BadField`` (400) that says where.
"""

from __future__ import annotations

import json
import math
from typing import Any

from baremetal_backend.api.faults import BadField

#: Deeper documents would exhaust the stack of whoever encodes them.
MAX_DEPTH = 40
MAX_DIGITS = 40


def parse(data: bytes) -> Any:
    """The value of a request's body."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_short,
        )
    except UnicodeDecodeError as error:
        raise BadField("body", "is not UTF-8") from error
    except RecursionError as error:
        raise BadField("body", "is nested too deeply") from error
    except ValueError as error:
        raise BadField("body", f"is not valid JSON: {error}") from error
    check(value, "body")
    return value


def check(value: Any, where: str) -> None:
    """Refuse what can't be stored. Iterative, since depth is hostile."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise BadField(where, "is nested too deeply")
        if isinstance(item, str):
            _check_text(item, where)
        elif isinstance(item, dict):
            for key, inner in item.items():
                _check_text(key, where)
                waiting.append((inner, depth + 1))
        elif isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item)


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        raise BadField(where, "contains a NUL character")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadField(where, "contains an unpaired surrogate") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadField(repr(twice), "is given twice")
    return value


def _no_constant(name: str) -> Any:
    raise BadField("body", f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BadField("body", f"the number {text[:20]} is too large")
    return value


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise BadField("body", f"the number {text[:20]}... is too long")
    return int(text)
