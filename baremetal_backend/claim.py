# SPDX-License-Identifier: Apache-2.0
"""One process per SQLite file: a lock that dies with it.

A lock of the operating system on a file: a killed process holds nothing.
Processes that share another database agree through the table of conductors.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.storage.database import Database


class Claim:
    """The lock, from construction to ``close``."""

    def __init__(self, database_path: str) -> None:
        """Errors: ConfigurationError when another process has it."""
        path = os.path.abspath(database_path) + ".lock"
        subject = f"[database]connection: {database_path}"
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
                "a file of its own."
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
    """Open the database; an SQLite file as the only process that may.

    ``cleanup`` gets what closes it. Errors: ConfigurationError.
    """
    try:
        database = Database(settings.database)
    except ImportError as error:
        raise ConfigurationError(
            f"[database]connection: {error}; install the database's driver, "
            "such as pip install 'nova-ironic-partition[mariadb]' or "
            "'nova-ironic-partition[postgresql]'."
        ) from error
    except (sa.exc.ArgumentError, ValueError) as error:
        text = str(error).splitlines()[0]
        raise ConfigurationError(
            f"[database]connection: {text}; write it like "
            "sqlite:////var/lib/baremetal-backend/baremetal.sqlite or "
            "mysql+pymysql://user:password@host/database or "
            "postgresql+psycopg://user:password@host/database."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"[database]connection: {error.filename}: {error.strerror}."
        ) from error
    cleanup.callback(database.close)
    path = database.url.database
    if database.is_sqlite and path and path != ":memory:":
        cleanup.enter_context(Claim(path))
    return database
