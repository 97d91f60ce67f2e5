# SPDX-License-Identifier: Apache-2.0
"""Reads the documentation's sources as a reader would: blocks and text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "doc" / "source"

_BLOCK = re.compile(
    r"^\.\. code-block:: \w+\n   :name: (?P<name>[\w-]+)\n\n"
    r"(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)


def flat(text: str) -> str:
    """The text with each run of white space as one blank."""
    return " ".join(text.split())


def block_names(page: Path) -> list[str]:
    """The names of a page's named code blocks, in order."""
    return [match["name"] for match in _BLOCK.finditer(page.read_text())]


def block(page: Path, name: str) -> str:
    """The text of a named code block."""
    for match in _BLOCK.finditer(page.read_text()):
        if match["name"] == name:
            return textwrap.dedent(match["text"]).strip() + "\n"
    raise AssertionError(f"{page} has no code block {name}")


def transcript(page: Path, name: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output it shows."""
    found: list[tuple[str, list[str]]] = []
    lines = iter(block(page, name).splitlines())
    for line in lines:
        if line.startswith("$ "):
            found.append((_whole(line[2:], lines), []))
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(shown)) for command, shown in found]


def _whole(line: str, following: Iterator[str]) -> str:
    while line.endswith("\\"):
        line = f"{line}\n{next(following)}"
    return line


def all_pages() -> list[Path]:
    """README, CONTRIBUTING and all pages below doc/source."""
    return [
        ROOT / "README.rst",
        ROOT / "CONTRIBUTING.rst",
        *sorted(
            page
            for page in SOURCE.rglob("*.rst")
            if "_generated" not in page.parts
        ),
    ]
