# SPDX-License-Identifier: Apache-2.0
"""Forms of single values: uuid, name, MAC address, boolean, number.

Each function takes text (or what JSON made of it) and the name of the place
where it was found, and returns the value in its one stored form, or raises
``BadField`` (400) that names the place.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from baremetal_backend.api.faults import BadField

UUID_PATTERN = (
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-"
    "[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$(?!\\n)"
)
#: RFC 3986's unreserved characters: a name needs no quoting in a URL.
NAME_PATTERN = "^[A-Za-z0-9._~-]{1,255}$(?!\\n)"
#: One line of text without control characters.
LINE_PATTERN = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$(?!\\n)"
GROUP_PATTERN = "^[A-Za-z0-9._-]*$(?!\\n)"
MAC_PATTERN = (
    "^([0-9a-fA-F]{2}:){5}([0-9a-fA-F]{2}:){0,14}[0-9a-fA-F]{2}$(?!\\n)"
)

_UUID = re.compile(UUID_PATTERN)
_NAME = re.compile(NAME_PATTERN)
_LINE = re.compile(LINE_PATTERN)
_MAC = re.compile(MAC_PATTERN)

_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")


def shown(value: Any) -> str:
    """A client's value as it may be repeated in a message: short, escaped."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def is_uuid(text: str) -> bool:
    """Whether the text is a uuid with hyphens."""
    return _UUID.match(text) is not None


def uuid(value: str, where: str) -> str:
    """A uuid in lower case."""
    if not is_uuid(value):
        raise BadField(where, f"expected a UUID, not {shown(value)}")
    return value.lower()


def ident(value: str, where: str) -> str:
    """A uuid in lower case, or a name as it is."""
    if is_uuid(value):
        return value.lower()
    if _NAME.match(value) is None:
        raise BadField(where, f"expected a UUID or name, not {shown(value)}")
    return value


def line(value: str, where: str) -> str:
    """One line without control characters, up to 255."""
    if len(value) > 255 or _LINE.match(value) is None:
        raise BadField(
            where,
            "expected up to 255 characters without control characters, "
            f"not {shown(value)}",
        )
    return value


def mac(value: str, where: str) -> str:
    """A MAC (or InfiniBand) address in lower case."""
    if _MAC.match(value) is None:
        raise BadField(where, f"expected a MAC address, not {shown(value)}")
    return value.lower()


def boolean(value: bool | str, where: str) -> bool:
    """A JSON boolean, or one of the words that stand for it."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    words = ", ".join(sorted(_TRUE + _FALSE))
    raise BadField(
        where, f"unrecognized value {shown(value)}, acceptable are: {words}"
    )


def integer(value: str, where: str, least: int, most: int) -> int:
    """A decimal number within bounds."""
    if re.match(r"-?[0-9]{1,18}\Z", value, re.ASCII) is None:
        raise BadField(where, f"expected an integer, not {shown(value)}")
    number = int(value)
    if not least <= number <= most:
        raise BadField(where, f"must be between {least} and {most}")
    return number


def one_of(value: str, where: str, allowed: Collection[str]) -> str:
    """One of a few words."""
    if value not in allowed:
        words = ", ".join(allowed)
        raise BadField(where, f"{shown(value)} is not one of: {words}")
    return value
