# SPDX-License-Identifier: Apache-2.0
"""What others wrote, as it may stand in logs and records. Pure."""

from __future__ import annotations

import urllib.parse
from typing import Final

# Characters of a text of others that are shown.
_LONGEST: Final = 1000


def cleaned(text: str, longest: int = _LONGEST) -> str:
    """One line of printable characters that any database takes."""
    if text.isprintable() and len(text) <= longest and " " not in text:
        # Names and times, by the thousand.
        return text
    printable = (one if one.isprintable() else " " for one in text[:100_000])
    line = " ".join("".join(printable).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def shown_url(url: str) -> str:
    """The address without a user's name and password."""
    parts = urllib.parse.urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return urllib.parse.urlunsplit(parts._replace(netloc=host)) if at else url


__all__ = ["cleaned", "shown_url"]
