# SPDX-License-Identifier: Apache-2.0
"""Passwords that are kept in files of the conductor, not in the database.

Only files of one directory are read: whoever may write a node's
``driver_info`` may not have any file of the conductor used as a password.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

# More is no password, whatever it is.
_LONGEST = 4096


def reader(directory: str) -> Callable[[str], bytes]:
    """Reads the first line of a file in this directory, or below it."""

    def read(name: str) -> bytes:
        """Errors: OSError; ValueError that goes on after the file's name."""
        root = Path(directory).resolve()
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise ValueError(
                f"is not in the directory [ipmi]password_directory, {root}"
            )
        with path.open("rb") as file:
            return file.read(_LONGEST).split(b"\n", 1)[0].rstrip(b"\r")

    return read


__all__ = ["reader"]
