# SPDX-License-Identifier: Apache-2.0
"""An empty database of this release, made once and copied."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from baremetal_backend.storage import Database
from baremetal_backend.storage.migrate import upgrade


@functools.cache
def _original() -> Path:
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    database = Database(f"sqlite:///{directory}/blank.sqlite")
    upgrade(database)
    database.close()
    return directory / "blank.sqlite"


def blank_database(path: Path) -> Path:
    """A copy at ``path``."""
    shutil.copyfile(_original(), path)
    return path
