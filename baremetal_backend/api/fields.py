# SPDX-License-Identifier: Apache-2.0
"""Fields of resources as data: since when, how written, how shown.

Each resource module holds one table of ``Field``. From it follow the JSON
schema of requests, what a patch may touch, what a version shows and which
fields a list may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baremetal_backend.api import microversions, wellformed
from baremetal_backend.api.call import Call
from baremetal_backend.api.faults import BadField, NotAcceptable
from baremetal_backend.api.wellformed import (
    GROUP_PATTERN,
    LINE_PATTERN,
    MAC_PATTERN,
    NAME_PATTERN,
    UUID_PATTERN,
    shown,
)

Schema = Mapping[str, Any]
Convert = Callable[[Any, str], Any]


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [{"type": "null"}, schema]}


FLAG: Schema = {"type": ["boolean", "string", "null"], "maxLength": 16}
OBJECT: Schema = {"type": ["object", "null"]}
LINE: Schema = {
    "type": ["string", "null"],
    "maxLength": 255,
    "pattern": LINE_PATTERN,
}
PROSE: Schema = {"type": ["string", "null"], "maxLength": 4096}
NAME: Schema = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 255,
    "pattern": NAME_PATTERN,
}
UUID: Schema = {"type": ["string", "null"], "pattern": UUID_PATTERN}
NODE_UUID: Schema = {"type": "string", "pattern": UUID_PATTERN}
GROUP: Schema = {
    "type": ["string", "null"],
    "maxLength": 255,
    "pattern": GROUP_PATTERN,
}
MAC: Schema = {"type": "string", "pattern": MAC_PATTERN}


def line(length: int, least: int = 0) -> Schema:
    """One line of at most ``length`` characters, or null."""
    return {
        "type": ["string", "null"],
        "minLength": least,
        "maxLength": length,
        "pattern": LINE_PATTERN,
    }


def lower(value: Any, _where: str) -> Any:
    """Text in lower case; null stays."""
    return value.lower() if isinstance(value, str) else value


def flag(value: Any, where: str) -> Any:
    """A boolean; null stays."""
    return None if value is None else wellformed.boolean(value, where)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource.

    ``schema`` None: clients can't write it. ``empty`` is what null, or
    removing it, stands for. ``needed``: can't be removed. ``brief``: part of
    a list without details.
    """

    name: str
    since: int = 1
    schema: Schema | None = None
    convert: Convert | None = None
    empty: Any = None
    create: bool = True
    patch: bool = True
    needed: bool = False
    brief: bool = False


class Fields:
    """The table of one resource."""

    def __init__(self, table: Sequence[Field]) -> None:
        self.table = tuple(table)
        self.by_name = {field.name: field for field in table}
        writable = [f for f in table if f.schema is not None]
        self.patchable = {f.name: f for f in writable if f.patch}
        self.create_schema = _object_schema(
            {f.name: f.schema for f in writable if f.create},
            [f.name for f in writable if f.needed],
        )
        self.patched_schema = _object_schema(
            {f.name: f.schema for f in writable if f.patch},
            [f.name for f in writable if f.needed and f.patch],
        )

    def visible(self, version: int) -> tuple[str, ...]:
        """All fields that a version shows."""
        return tuple(f.name for f in self.table if f.since <= version)

    def brief(self, version: int) -> tuple[str, ...]:
        """Fields of a list without details."""
        return tuple(
            f.name for f in self.table if f.brief and f.since <= version
        )

    def chosen(self, call: Call) -> tuple[str, ...] | None:
        """Fields of ``?fields=``, checked; None if there is no such."""
        text = call.query.get("fields")
        if text is None:
            return None
        names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
        for name in names:
            field = self.by_name.get(name)
            if field is None:
                if name == "links":
                    continue
                raise BadField("fields", f"{shown(name)} is not a valid field")
            self.check_version(call.version, (name,))
        return tuple(name for name in names if name != "links")

    def check_version(self, version: int, names: Sequence[str]) -> None:
        """Refuse (406) fields that came after the request's version."""
        for name in names:
            field = self.by_name.get(name)
            if field is not None and field.since > version:
                raise NotAcceptable(
                    f"Request not acceptable. The field {name} needs API "
                    f"version {microversions.text(field.since)} or later."
                )

    def values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Stored values of a body that fits the schema."""
        return {
            name: self.value(self.by_name[name], value)
            for name, value in body.items()
        }

    @staticmethod
    def value(field: Field, value: Any) -> Any:
        """One stored value."""
        if value is None:
            return field.empty
        if field.convert is not None:
            return field.convert(value, field.name)
        return value


def _object_schema(
    properties: Mapping[str, Schema | None], required: Sequence[str]
) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
