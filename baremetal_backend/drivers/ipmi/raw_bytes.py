# SPDX-License-Identifier: Apache-2.0
"""Commands that people write as bytes: ``0x06 0x01``, ``6 1``. Pure."""

from __future__ import annotations

import re

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.drivers.ipmi.command import Command

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,4}|[0-9]{1,4}")

# A message has no room for more (IPMI 2.0, section 13).
_LONGEST = 255


def parsed(text: object) -> Command:
    """The command: network function, number, data.

    It is sent once, since nobody knows what it does. Errors:
    InvalidParameterValue that shows the form.
    """
    numbers = [_byte(one) for one in _words(text)]
    if not 2 <= len(numbers) <= _LONGEST:
        raise _wrong(f"{len(numbers)} bytes")
    netfn, number, *data = numbers
    if netfn > 0x3F or netfn % 2:
        raise _wrong(f"0x{netfn:02x} is no network function of a request")
    return Command(
        f"Raw 0x{netfn:02x} 0x{number:02x}",
        netfn,
        number,
        bytes(data),
        repeatable=False,
    )


def shown(data: bytes) -> str:
    """An answer in the same form."""
    return " ".join(f"0x{one:02x}" for one in data)


def _words(text: object) -> list[str]:
    if not isinstance(text, str):
        raise _wrong("not a text")
    return text.replace(",", " ").split()


def _byte(word: str) -> int:
    # Not int() alone: it takes 1_0 and the digits of other scripts, too.
    if not _NUMBER.fullmatch(word):
        raise _wrong(f"{ascii(word)[:20]} is no byte")
    number = int(word, 16 if word[:2].lower() == "0x" else 10)
    if number > 0xFF:
        raise _wrong(f"{ascii(word)[:20]} is no byte")
    return number


def _wrong(why: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"raw_bytes: {why}; give the network function, the command and its "
        'data, such as "0x00 0x04 0x0f".'
    )


__all__ = ["parsed", "shown"]
