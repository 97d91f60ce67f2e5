# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL from the distribution's package.

PostgreSQL refuses to run as root. Where root starts it, it runs as the user
``postgres`` that the package made; a state directory that only root can enter
would lock that user out, so that the data are in a directory of their own
below the temporary directory, removed when the crew's process ends. Tuned to
start quickly and to be thrown away: nothing is synced to disk. What is
committed survives the death of the server, not that of the machine.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.ports import LOOPBACK, free_port
from lab.processes import Crew

DEBIAN_PACKAGE = "postgresql"

_PACKAGED = Path("/usr/lib/postgresql")
_SUPERUSER = "lab"
_SYSTEM_USER = "postgres"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "autovacuum_naptime": "10min",
    "log_min_messages": "warning",
    "lc_messages": "C",
}


def _programs() -> Path | None:
    """The newest release's programs, which Debian keeps out of PATH."""
    found = [
        release / "bin"
        for release in _PACKAGED.glob("*")
        if (release / "bin" / "postgres").exists()
    ]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def is_installed() -> bool:
    """Whether the package's programs are there."""
    return _programs() is not None


class PostgreSQL:
    """The database server of a lab."""

    def __init__(self, crew: Crew) -> None:
        self.port = free_port()
        programs = _programs()
        if programs is None:
            raise FileNotFoundError(
                f"no postgres below {_PACKAGED}; install the Debian package "
                f"{DEBIAN_PACKAGE}"
            )
        self._crew = crew
        self._password = secrets.token_hex(12)
        self._directory = _own_directory(crew.state_dir)
        self._removal = partial(
            shutil.rmtree, self._directory, ignore_errors=True
        )
        if self._directory.parent != crew.state_dir:
            # A server that still runs ends by itself once its files are gone.
            atexit.register(self._removal)
        self._data = self._directory / "data"
        self._initdb = [*_as_user(), str(programs / "initdb")]
        self.process = crew.process(
            "postgresql",
            [
                *_as_user(),
                str(programs / "postgres"),
                "-D",
                str(self._data),
                "-p",
                str(self.port),
                *(f"--{key}={value}" for key, value in _SETTINGS.items()),
            ],
            ready=self._answers,
        )

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return (
            f"postgresql+psycopg://{_SUPERUSER}:{self._password}@{LOOPBACK}"
            f":{self.port}/{database}"
        )

    def start(self) -> None:
        """Make the data directory and start; see wait_ready."""
        password = self._directory / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        _give(password)
        self._crew.command(
            "postgresql-init",
            [
                *self._initdb,
                f"--pgdata={self._data}",
                f"--username={_SUPERUSER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
        )
        self.process.start()

    def leave_running(self) -> Path:
        """Keep the data when this process ends; return their directory."""
        atexit.unregister(self._removal)
        return self._directory

    def restart(self) -> None:
        """End all connections at once, and serve again; blocks."""
        # Its "fast shutdown": SIGTERM would wait for clients to leave.
        self.process.signal(signal.SIGINT)
        self.process.wait_ended(30)
        self.process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until a client can log in."""
        self.process.wait_ready(60)

    def create(self, *databases: str, template: str = "template0") -> None:
        """Create databases: empty ones, or copies of another one."""
        for database in databases:
            self.query(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def query(
        self,
        statement: str,
        args: Sequence[object] = (),
        database: str = "postgres",
    ) -> list[dict[str, Any]]:
        """Run one statement, and return its rows as dictionaries."""
        import psycopg
        from psycopg.rows import dict_row

        with psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=_SUPERUSER,
            password=self._password,
            dbname=database,
            connect_timeout=10,
            autocommit=True,
            row_factory=dict_row,
        ) as connection:
            cursor = connection.execute(statement, args or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        import psycopg

        try:
            self.query("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _is_root() -> bool:
    return os.geteuid() == 0


def _as_user() -> list[str]:
    """How root runs a program as PostgreSQL's user; it replaces itself."""
    if not _is_root():
        return []
    user = pwd.getpwnam(_SYSTEM_USER)
    return [
        "setpriv",
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--",
    ]


def _own_directory(state_dir: Path) -> Path:
    if not _is_root():
        directory = state_dir / "postgresql"
        directory.mkdir(mode=0o700, exist_ok=True)
        return directory
    directory = Path(tempfile.mkdtemp(prefix="lab-postgresql-"))
    _give(directory)
    return directory


def _give(path: Path) -> None:
    if _is_root():
        user = pwd.getpwnam(_SYSTEM_USER)
        os.chown(path, user.pw_uid, user.pw_gid)
