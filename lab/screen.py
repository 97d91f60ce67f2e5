# SPDX-License-Identifier: Apache-2.0
"""How the demo speaks to the person in front of the terminal."""

from __future__ import annotations

import sys
import textwrap
import time
from typing import TextIO

WIDTH = 78


class Screen:
    """Headings, sentences and tables, flushed at once."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._bold = self._out.isatty()
        self._started = time.monotonic()

    def heading(self, text: str) -> None:
        """Begin a section."""
        line = f"== {text} ".ljust(WIDTH, "=")
        self._write("\n" + (f"\x1b[1m{line}\x1b[0m" if self._bold else line))

    def say(self, text: str) -> None:
        """Write a paragraph, filled to the width."""
        self._write(textwrap.fill(" ".join(text.split()), WIDTH))

    def did(self, text: str) -> None:
        """Write one line with the time since the start."""
        seconds = time.monotonic() - self._started
        self._write(f"[{seconds:5.0f} s] {text}")

    def block(self, text: str) -> None:
        """Write lines as they are, indented and with air around."""
        self._write("\n" + textwrap.indent(text, "  ") + "\n")

    def _write(self, text: str) -> None:
        print(text, file=self._out, flush=True)
