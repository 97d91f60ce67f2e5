# SPDX-License-Identifier: Apache-2.0
"""Where the Python environment of the lab keeps programs and files."""

from __future__ import annotations

import sys
from pathlib import Path


def program(name: str) -> str:
    """Return the path of a console script beside the running Python."""
    return str(Path(sys.executable).parent / name)


def data_file(*parts: str) -> str:
    """Return the path of a file that a wheel put below its etc."""
    return str(Path(sys.prefix, "etc", *parts))
