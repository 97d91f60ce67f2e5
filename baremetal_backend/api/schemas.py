# SPDX-License-Identifier: Apache-2.0
"""Checks bodies against JSON schemas and says where they don't fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from baremetal_backend.api.faults import BadField
from baremetal_backend.api.wellformed import shown

Schema = Mapping[str, Any]


class Checker:
    """One compiled schema."""

    def __init__(self, schema: Schema) -> None:
        self._validator = Draft202012Validator(schema)

    def check(self, value: Any, root: str = "body") -> None:
        """Raise ``BadField`` for the first thing that does not fit."""
        for error in self._validator.iter_errors(value):
            raise _told(error, root)


def _told(error: ValidationError, root: str) -> BadField:
    where = ".".join(str(step) for step in error.absolute_path) or root
    rule = str(error.validator)
    limit: Any = error.validator_value
    instance: Any = error.instance
    within = "" if where == root else f"{where}."
    if rule == "required":
        missing = next(name for name in limit if name not in instance)
        return BadField(f"{within}{missing}", "is required")
    if rule == "additionalProperties":
        schema: Any = error.schema
        known = schema.get("properties", {})
        extra = next(name for name in instance if name not in known)
        name = shown(extra)[1:-1]
        return BadField(f"{within}{name}", "is not a known field")
    return BadField(where, _WHY.get(rule, _does_not_fit)(instance, limit))


def _of_type(instance: Any, wanted: Any) -> str:
    kinds = wanted if isinstance(wanted, str) else " or ".join(wanted)
    return f"{shown(instance)} is not of type {kinds}"


def _one_of(instance: Any, allowed: Any) -> str:
    return f"{shown(instance)} is not one of: {', '.join(map(str, allowed))}"


def _too_long(_instance: Any, most: Any) -> str:
    return f"is too long, at most {most}"


def _too_short(_instance: Any, least: Any) -> str:
    return f"is too short, at least {least}"


def _does_not_fit(instance: Any, _rule: Any) -> str:
    return f"{shown(instance)} has not the right form"


_WHY: Mapping[str, Callable[[Any, Any], str]] = {
    "type": _of_type,
    "enum": _one_of,
    "maxLength": _too_long,
    "maxItems": _too_long,
    "minLength": _too_short,
    "minItems": _too_short,
    "minimum": lambda _, least: f"must be at least {least}",
    "maximum": lambda _, most: f"must be at most {most}",
}
