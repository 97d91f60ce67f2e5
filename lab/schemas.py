# SPDX-License-Identifier: Apache-2.0
"""Migrated, empty databases, kept as SQL text between runs.

Hundreds of migrations take a minute; loading their result takes a second.
A stored schema is used only by the very versions of the software that made
it. Nothing of one cloud may be in it: no port, no password, no URL.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from lab import mariadb


def default_cache() -> Path:
    """Return the directory for stored schemas; respects XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nova-ironic-partition" / "schemas"


def key(distribution: str, recipe: str) -> str:
    """Name a stored schema after all that it depends on.

    :param distribution: the Python distribution that brings the migrations
    :param recipe: changes when the lab's own steps after them change
    """
    parts = [
        f"{name} {metadata.version(name)}"
        for name in (distribution, "SQLAlchemy", "oslo.db")
    ]
    digest = hashlib.sha256(
        "\n".join([*parts, recipe, mariadb.version()]).encode()
    )
    return (
        f"{distribution}-{metadata.version(distribution)}-"
        + (digest.hexdigest()[:12])
    )


class Schemas:
    """Fills databases: from the cache, or by migrations and then into it."""

    def __init__(self, server: mariadb.MariaDB, cache: Path) -> None:
        self._server = server
        self._cache = cache

    def create(
        self, name: str, databases: Sequence[str], migrate: Callable[[], None]
    ) -> None:
        """Create databases with their tables.

        :param name: what ``key`` returned
        :param migrate: fills the empty databases, if nothing is stored
        """
        self._server.create(*databases)
        files = {
            database: self._cache / name / f"{database}.sql.gz"
            for database in databases
        }
        if all(file.exists() for file in files.values()):
            for database, file in files.items():
                self._server.load(database, gzip.decompress(file.read_bytes()))
            return
        migrate()
        for database, file in files.items():
            _store(file, gzip.compress(self._server.dump(database), 6))


def _store(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Another run may be storing the same: the last one wins, and whole.
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(file)
