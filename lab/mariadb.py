# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB from the distribution's package.

Runs as the user who starts it, with its data below the state directory.
Tuned to start quickly and to be thrown away: nothing is synced to disk. What
is committed survives the death of the server, not that of the machine.
"""

from __future__ import annotations

import getpass
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.ports import LOOPBACK, free_port
from lab.processes import Crew

DEBIAN_PACKAGE = "mariadb-server"

_SERVER = Path("/usr/sbin/mariadbd")
_SETTINGS = (
    "innodb-buffer-pool-size=128M",
    "innodb-log-file-size=32M",
    # Commits reach the operating system, and so survive a SIGKILL.
    "innodb-flush-log-at-trx-commit=2",
    "innodb-doublewrite=0",
    "innodb-flush-method=nosync",
    "innodb-stats-persistent=0",
    "sync-frm=0",
    "skip-log-bin",
    "skip-name-resolve",
    "performance-schema=0",
    "max-connections=1000",
    "character-set-server=utf8mb4",
)


def is_installed() -> bool:
    """Whether the package's programs are there."""
    return _SERVER.exists() and shutil.which("mariadb") is not None


def version() -> str:
    """Return the server's version line, as part of cache keys."""
    return subprocess.run(
        [str(_SERVER), "--no-defaults", "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


class MariaDB:
    """The database server of a lab."""

    def __init__(self, crew: Crew) -> None:
        self.port = free_port()
        self._crew = crew
        self._password = secrets.token_hex(12)
        self._directory = crew.state_dir / "mariadb"
        self._init_file = self._directory / "init.sql"
        self._client_file = self._directory / "client.cnf"
        self.process = crew.process(
            "mariadb",
            [
                str(_SERVER),
                "--no-defaults",
                f"--user={getpass.getuser()}",
                f"--datadir={self._directory / 'data'}",
                # Relative to datadir: a whole path can be too long for it.
                "--socket=../socket",
                f"--pid-file={self._directory / 'pid'}",
                f"--bind-address={LOOPBACK}",
                f"--port={self.port}",
                f"--init-file={self._init_file}",
                *(f"--{setting}" for setting in _SETTINGS),
            ],
            ready=self._answers,
        )

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return (
            f"mysql+pymysql://root:{self._password}@{LOOPBACK}:{self.port}"
            f"/{database}?charset=utf8mb4"
        )

    def start(self) -> None:
        """Make the data directory and start; see wait_ready."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._crew.command(
            "mariadb-install",
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--user={getpass.getuser()}",
                f"--datadir={self._directory / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
        )
        self._write_private(
            self._init_file,
            f"ALTER USER root@localhost IDENTIFIED BY '{self._password}';\n"
            f"CREATE OR REPLACE USER root@'{LOOPBACK}' IDENTIFIED BY"
            f" '{self._password}';\n"
            f"GRANT ALL ON *.* TO root@'{LOOPBACK}' WITH GRANT OPTION;\n",
        )
        self._write_private(
            self._client_file,
            "[client]\n"
            f"user=root\npassword={self._password}\n"
            f"host={LOOPBACK}\nport={self.port}\nprotocol=tcp\n"
            "default-character-set=utf8mb4\n",
        )
        self.process.start()

    def restart(self) -> None:
        """End all connections at once, and serve again; blocks."""
        self.process.signal(signal.SIGTERM)
        self.process.wait_ended(30)
        self.process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until a client can log in."""
        self.process.wait_ready(60)

    def create(self, *databases: str) -> None:
        """Create empty databases."""
        for database in databases:
            self.query(f"CREATE DATABASE `{database}`")

    def query(
        self, statement: str, args: Sequence[object] = (), database: str = ""
    ) -> list[dict[str, Any]]:
        """Run one statement, and return its rows as dictionaries."""
        import pymysql
        from pymysql.cursors import DictCursor

        connection = pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user="root",
            password=self._password,
            database=database or None,
            connect_timeout=10,
            read_timeout=60,
            autocommit=True,
            cursorclass=DictCursor,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, args or None)
            return list(cursor.fetchall())

    def dump(self, database: str) -> bytes:
        """Return a database with its rows as SQL text."""
        return self._client(
            "mariadb-dump", "--skip-comments", "--no-tablespaces", database
        )

    def load(self, database: str, sql: bytes) -> None:
        """Run SQL text, such as a dump, in a database."""
        self._client("mariadb", database, stdin=sql)

    def _client(
        self, program: str, *args: str, stdin: bytes | None = None
    ) -> bytes:
        return subprocess.run(
            [program, f"--defaults-file={self._client_file}", *args],
            input=stdin,
            stdout=subprocess.PIPE,
            timeout=120,
            check=True,
        ).stdout

    def _answers(self) -> bool:
        import pymysql

        try:
            self.query("SELECT 1")
        except (pymysql.err.OperationalError, OSError):
            return False
        return True

    def _write_private(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)
