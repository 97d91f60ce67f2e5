# SPDX-License-Identifier: Apache-2.0
"""The database: transactions, and when they are run again.

Writes of this process to SQLite queue on a lock in memory and begin as
writers, so that none fails with "database is locked" half-way; another
process's write is waited for by SQLite itself, for ``busy_timeout`` at most.

On a server a transaction may fail for reasons that are not its own: a
deadlock, a restart. ``write`` runs it again, and finds out what became of it
when the connection died while it was committed. Guarantees that its work was
done once, or that the caller learns otherwise.
"""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import sqlalchemy as sa

from baremetal_backend.core.errors import BackendError, StorageUnavailable
from baremetal_backend.core.patience import Failure, Patience
from baremetal_backend.storage.engines import (
    WRITES,
    DatabaseOptions,
    make_engine,
)
from baremetal_backend.storage.failures import (
    ERRORS,
    MEANINGFUL,
    failure,
    meaning,
)

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_NOT_KNOWN = (
    "The database went away while it saved a change; whether the change was "
    "saved is not known. Look before asking again."
)


def REPEATABLE(_connection: sa.Connection, _result: object) -> bool:
    """``confirm`` of work that may as well be done twice."""
    return False


class Database:
    """One engine and its transactions. Owned by ``Storage``."""

    def __init__(
        self,
        options: DatabaseOptions | str,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if isinstance(options, str):
            options = DatabaseOptions(connection=options)
        self.options = options
        self.url = options.url
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = make_engine(options)
        #: Whether ORDER BY puts NULL before values, ascending.
        self.null_is_first = self.url.get_backend_name() != "postgresql"
        self._writer = self.engine.execution_options(**WRITES)
        self._turn = threading.Lock()
        self._sleep = sleep
        self._answers = True

    # -- transactions that are run again --------------------------------------

    def write(
        self,
        work: Callable[[sa.Connection], T],
        *,
        confirm: Callable[[sa.Connection, T], bool] | None = None,
    ) -> T:
        """Run ``work`` in one transaction; returns what it returned.

        After a deadlock, or when the connection died before the commit,
        ``work`` runs again from its start: it may touch nothing but the
        connection. If the connection dies *while* the transaction is
        committed, ``confirm(connection, result)`` is asked on a new one
        whether the result is in the database; False runs ``work`` again
        (``REPEATABLE``: it does no harm to do it twice). Without ``confirm``
        the caller gets StorageUnavailable.

        Errors: StorageUnavailable; InvalidParameterValue for a value that
        the column can't hold; DBDuplicateEntry, DBReferenceError.
        """
        if self.is_sqlite:
            with self.writing() as connection:
                return work(connection)
        trial = _Trial(self.options.patience)
        unknown: _UnknownOutcome | None = None
        while True:
            try:
                if unknown is not None and confirm is not None:
                    with self.engine.connect() as connection:
                        result = cast(T, unknown.result)
                        if confirm(connection, result):
                            return result
                    unknown = None
                with self._writer.connect() as connection:
                    result = _committed(connection, work)
                self._note_answer()
                return result
            except _UnknownOutcome as lost:
                unknown, error = lost, lost.reason
            except MEANINGFUL:
                raise
            except ERRORS as failed:
                error = failed
            pause = trial.pause(error)
            if unknown is not None and (confirm is None or pause is None):
                raise self._silent(error, _NOT_KNOWN) from error
            if pause is None:
                raise self._silent(error) from error
            LOG.debug("Again in %.2f s, after: %s", pause, error)
            self._sleep(pause)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work``, which only reads; once more on a dead connection.

        Each of its statements sees what was committed when it began; on
        SQLite all of them see the same. Errors: StorageUnavailable.
        """
        again = not self.is_sqlite
        while True:
            try:
                with self.engine.connect() as connection:
                    result = work(connection)
                self._note_answer()
                return result
            except ERRORS as error:
                if not again or failure(error) is Failure.OTHER:
                    raise self._silent(error) from error
                again = False

    # -- transactions that are run once ---------------------------------------

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reads; see ``read``."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, all or nothing."""
        if not self.is_sqlite:
            with self._translated(), self._writer.begin() as connection:
                yield connection
            return
        if not self._turn.acquire(timeout=self.options.busy_timeout):
            raise StorageUnavailable(
                "The database is busy with other writes.", retry_after=1.0
            )
        try:
            with self._translated(), self._writer.begin() as connection:
                yield connection
        finally:
            self._turn.release()

    def apart(self) -> Database:
        """The same database, by a few connections that nobody else has.

        SQLite, which queues nobody for a connection: this one itself.
        """
        if self.is_sqlite:
            return self
        return Database(
            dataclasses.replace(self.options, max_pool_size=2, max_overflow=1),
            self._sleep,
        )

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except MEANINGFUL:
            raise
        except ERRORS as error:
            raise self._silent(error) from error

    # -- what the log says ----------------------------------------------------

    def _silent(
        self, error: BaseException, sentence: str | None = None
    ) -> BackendError:
        """The error to raise. An outage is logged when it begins, once."""
        found = meaning(error)
        if sentence is not None:
            found = StorageUnavailable(sentence, retry_after=5.0)
        if failure(error) is not Failure.DEAD:
            if isinstance(found, StorageUnavailable):
                LOG.error("The database refused a statement: %s", found)
        elif self._answers:
            self._answers = False
            LOG.error(
                "%s Until it answers, requests that need it end with 503.",
                found,
            )
        return found

    def _note_answer(self) -> None:
        if not self._answers:
            self._answers = True
            LOG.info("The database answers again.")


class _UnknownOutcome(Exception):
    """The connection died between COMMIT and its answer."""

    def __init__(self, result: object, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.result = result
        self.reason = reason


class _Trial:
    """How often one transaction was tried, and since when."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = time.monotonic()
        self._attempts = 0

    def pause(self, error: BaseException) -> float | None:
        """Seconds until the next attempt; None: give up."""
        self._attempts += 1
        return self._patience.pause(
            failure(error),
            self._attempts,
            time.monotonic() - self._began,
            random.random(),  # noqa: S311 - spreads load, hides nothing
        )


def _committed(
    connection: sa.Connection, work: Callable[[sa.Connection], T]
) -> T:
    """Errors: _UnknownOutcome, and all of the database's."""
    with connection.begin() as transaction:
        result = work(connection)
        try:
            transaction.commit()
        except ERRORS as error:
            if failure(error) is Failure.DEAD:
                raise _UnknownOutcome(result, error) from error
            raise
    return result


__all__ = ["REPEATABLE", "Database", "DatabaseOptions"]
