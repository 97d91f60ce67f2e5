# SPDX-License-Identifier: Apache-2.0
"""Private keys that are kept in files of the conductor.

Only files of one directory are read: whoever may write a node's
``driver_info`` may not log in with any key of the conductor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

# More is no key, whatever it is.
_LONGEST = 65536


def reader(directory: str) -> Callable[[str], str]:
    """Reads a text file in this directory, or below it."""

    def read(name: str) -> str:
        """Errors: OSError; ValueError that goes on after the file's name."""
        root = Path(directory).resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise ValueError(
                f"is not in the directory [ssh]key_directory, {root}"
            )
        with path.open("rb") as file:
            found = file.read(_LONGEST)
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise ValueError("is not a text file") from None

    return read


__all__ = ["reader"]
