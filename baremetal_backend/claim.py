# SPDX-License-Identifier: Apache-2.0
"""One process per database file, or per host name: a lock that dies with it.

A lock of the operating system on a file: a killed process holds nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.storage.database import Database


class Claim:
    """The lock, from construction to ``close``."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Errors: ConfigurationError when another process has it."""
        path, subject = _lock_file(settings, database)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"{subject}: can't write {path}: {error.strerror}."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise ConfigurationError(
                f"{subject}: is in use by another baremetal-backend "
                f"(process {holder or 'unknown'}); stop it, or give this one "
                "a value of its own."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let the next one in. The file stays: deleting it would race."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_database(settings: Settings, cleanup: ExitStack) -> Database:
    """Open the database as the only process that may.

    ``cleanup`` gets what closes it. Errors: ConfigurationError.
    """
    try:
        database = Database(settings.database)
    except (sa.exc.ArgumentError, ImportError) as error:
        text = str(error).splitlines()[0]
        raise ConfigurationError(
            f"[database]connection: {text}; write it like "
            "sqlite:////var/lib/baremetal-backend/baremetal.sqlite or "
            "mysql+pymysql://user:password@host/database."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"[database]connection: {error.filename}: {error.strerror}."
        ) from error
    cleanup.callback(database.close)
    cleanup.enter_context(Claim(settings, database))
    return database


def _lock_file(settings: Settings, database: Database) -> tuple[str, str]:
    path = database.url.database
    if database.is_sqlite and path and path != ":memory:":
        return (
            os.path.abspath(path) + ".lock",
            f"[database]connection: {path}",
        )
    name = re.sub(r"[^\w.-]", "_", settings.host)
    return (
        os.path.join(os.path.abspath(settings.state_path), f"{name}.lock"),
        f"[DEFAULT]host: {settings.host}",
    )
