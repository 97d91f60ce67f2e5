# SPDX-License-Identifier: Apache-2.0
"""The private servers of a test run: each is started by the first test that
needs it, once per worker, and ends with it.

A server whose Debian package is missing fails the test that wants it, with
the command to install it: nothing is skipped.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lab import mariadb as lab_mariadb
from lab import postgresql as lab_postgresql
from lab import rabbitmq as lab_rabbitmq
from lab.mariadb import MariaDB
from lab.postgresql import PostgreSQL
from lab.processes import Crew
from lab.rabbitmq import RabbitMQ


@functools.cache
def crew() -> Crew:
    """The processes of this worker; they end when it ends."""
    directory = Path(tempfile.mkdtemp(prefix="test-servers-"))
    # Registered first, and so run last: after the crew's own end.
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Crew(directory)


def _demand(module: Any) -> None:
    if not module.is_installed():
        pytest.fail(
            f"The Debian package {module.DEBIAN_PACKAGE} is needed: "
            f"apt-get install {module.DEBIAN_PACKAGE}",
            pytrace=False,
        )


@functools.cache
def mariadb() -> MariaDB:
    """A MariaDB that serves."""
    _demand(lab_mariadb)
    server = MariaDB(crew())
    server.start()
    server.wait_ready()
    return server


@functools.cache
def postgresql() -> PostgreSQL:
    """A PostgreSQL that serves."""
    _demand(lab_postgresql)
    server = PostgreSQL(crew())
    server.start()
    server.wait_ready()
    return server


@functools.cache
def rabbitmq() -> RabbitMQ:
    """A RabbitMQ that serves."""
    _demand(lab_rabbitmq)
    server = RabbitMQ(crew())
    server.start()
    server.wait_ready()
    return server
