# SPDX-License-Identifier: Apache-2.0
"""What a database's error means: to whom it is said, and whether to retry.

Duplicate keys and broken references stay what they are: the storage modules
know what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc

from baremetal_backend.core.errors import (
    BackendError,
    InvalidParameterValue,
    StorageUnavailable,
)
from baremetal_backend.core.patience import Failure

#: Everything that SQLAlchemy and oslo.db raise.
ERRORS = (db_exc.DBError, sa.exc.SQLAlchemyError)

#: What the storage modules translate themselves.
MEANINGFUL = (db_exc.DBDuplicateEntry, db_exc.DBReferenceError)

# PostgreSQL, by the first characters of SQLSTATE: lost connection, shutdown
# or start of the server, no more connections, idle for too long. oslo.db
# knows psycopg2's words for them and not psycopg 3's. Without a SQLSTATE it
# was never connected.
_GONE = ("08", "57P", "53300", "25P03")

# MariaDB: too many connections, server shutdown in progress.
_REFUSED = (1040, 1053)


def failure(error: BaseException) -> Failure:
    """Whether a transaction that failed so may succeed when it is repeated."""
    if isinstance(error, db_exc.DBDeadlock):
        return Failure.DEADLOCK
    if isinstance(error, db_exc.DBConnectionError):
        return Failure.DEAD
    cause = _cause(error)
    if not isinstance(cause, sa.exc.DBAPIError):
        return Failure.OTHER
    if cause.connection_invalidated:
        return Failure.DEAD
    return _failure_by_code(cause)


def _failure_by_code(error: sa.exc.DBAPIError) -> Failure:
    origin: Any = error.orig
    if not hasattr(origin, "sqlstate"):
        code = next(iter(getattr(origin, "args", ())), None)
        return Failure.DEAD if code in _REFUSED else Failure.OTHER
    state: str | None = origin.sqlstate
    if state is None:
        never_connected = isinstance(error, sa.exc.OperationalError)
        return Failure.DEAD if never_connected else Failure.OTHER
    if state.startswith(_GONE):
        return Failure.DEAD
    # Serialization failure: the server's word for a lost race.
    return Failure.DEADLOCK if state == "40001" else Failure.OTHER


def meaning(error: BaseException) -> BackendError:
    """The error for the client; its sentence ends with the database's own."""
    reason = _first_line(error)
    if isinstance(
        error, (db_exc.DBDataError, db_exc.DBInvalidUnicodeParameter)
    ):
        return InvalidParameterValue(
            f"A value can't be stored in the database: {reason}"
        )
    return StorageUnavailable(
        f"The database is not available: {reason}", retry_after=5.0
    )


def duplicated(
    error: db_exc.DBDuplicateEntry, fields: Iterable[str]
) -> str | None:
    """Which of the row's fields has a value that another row has."""
    # SQLite names columns; the servers name the index, which ends in one.
    # oslo.db finds it in psycopg 3's text no more.
    diagnosis = getattr(getattr(_cause(error), "orig", None), "diag", None)
    names = [diagnosis.constraint_name] if diagnosis else error.columns
    found = [
        field
        for field in fields
        for name in names
        if re.search(rf"(^|[._]){field}$", name or "")
    ]
    return max(found, key=len, default=None)


@contextmanager
def translated() -> Iterator[None]:
    """Turn a database's errors into ours, except ``MEANINGFUL`` ones."""
    try:
        yield
    except MEANINGFUL:
        raise
    except ERRORS as error:
        raise meaning(error) from error


def _cause(error: BaseException) -> BaseException:
    """SQLAlchemy's error of one that oslo.db may have wrapped."""
    inner: BaseException | None = getattr(error, "inner_exception", None)
    return inner or error


def _first_line(error: BaseException) -> str:
    cause = _cause(error)
    # Not the statement, which SQLAlchemy appends with all its values.
    text = str(getattr(cause, "orig", None) or cause)
    lines = text.splitlines()
    return lines[0] if lines else type(cause).__name__
