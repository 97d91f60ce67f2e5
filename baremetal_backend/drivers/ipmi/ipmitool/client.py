# SPDX-License-Identifier: Apache-2.0
"""``ports.Client`` by a process per command.

A process gets no shell, no terminal and no secret that others can read; it
is killed, with whatever it started, at its deadline. One command at a time
goes to a BMC. Futures are worked off by a few threads named
``baremetal-ipmitool``, which are made when they are needed.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from baremetal_backend.conf.settings import Settings
from baremetal_backend.drivers import base
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import IpmiError, Unreachable
from baremetal_backend.drivers.ipmi.ipmitool import command_line
from baremetal_backend.drivers.ipmi.ports import Answered

LOG = logging.getLogger(__name__)

# Seconds for a killed process to be gone.
_REAP = 5.0

# Least seconds that are worth a process.
_LEAST = 0.2


@dataclass(frozen=True, slots=True)
class _Run:
    code: int
    output: str
    errors: str


class IpmitoolClient(base.Equipment):
    """Runs the tool. Safe for all threads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.program = shutil.which(command_line.PROGRAM)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        #: Guarded by the lock, like all that follows.
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        #: A lock for each BMC, by ``host:port``, and the suite that worked.
        self._turns: dict[str, threading.Lock] = {}
        self._suites: dict[str, int] = {}

    def start(self) -> None:
        """Threads are made when they are needed."""
        with self._lock:
            self._stopped = False

    def stop(self) -> None:
        """Take no more, and end what runs."""
        with self._lock:
            self._stopped = True
            pool, self._pool = self._pool, None
            for process in self._running:
                _end(process)
        if pool is not None:
            # What waits is not cancelled: it ends at once, and says why.
            pool.shutdown(wait=False)

    def call(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Response:
        """See ``ports.Client``."""
        limit = self._limit(seconds)
        outcome = self._ended(bmc, command, time.monotonic(), limit)
        if isinstance(outcome, IpmiError):
            raise outcome
        return outcome

    def submit(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Future[Response]:
        """See ``ports.Client``; ends when a thread came to it."""
        limit, began = self._limit(seconds), time.monotonic()

        def work() -> Response:
            outcome = self._ended(bmc, command, began, limit)
            if isinstance(outcome, IpmiError):
                raise outcome
            return outcome

        return self._threads().submit(work)

    def ask(
        self,
        bmc: Bmc,
        command: Command,
        seconds: float,
        done: Callable[[Answered], None],
    ) -> None:
        """See ``ports.Client``."""
        began = time.monotonic()

        def work() -> None:
            outcome = self._ended(bmc, command, began, seconds)
            now = time.monotonic()
            done(Answered(outcome, now - began, now))

        self._threads().submit(work)

    def forget(self, bmc: Bmc) -> None:
        """No session is ever open; which suite worked is forgotten."""
        with self._lock:
            self._suites.pop(bmc.where, None)

    def _limit(self, seconds: float | None) -> float:
        if seconds is not None:
            return seconds
        return self.settings.ipmi.command_retry_timeout

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    self.settings.power.sync_power_state_workers,
                    thread_name_prefix="baremetal-ipmitool",
                )
            return self._pool

    # -- one command ----------------------------------------------------------

    def _ended(
        self, bmc: Bmc, command: Command, began: float, limit: float
    ) -> Response | IpmiError:
        """Wait for the BMC's turn, and run; within the limit."""
        deadline = began + limit
        with self._lock:
            turn = self._turns.setdefault(bmc.where, threading.Lock())
        if not turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return Unreachable(
                bmc.where, command.name, limit, "others' commands took longer"
            )
        try:
            return self._with_suites(bmc, command, began, deadline)
        finally:
            turn.release()

    def _with_suites(
        self, bmc: Bmc, command: Command, began: float, deadline: float
    ) -> Response | IpmiError:
        """Try the cipher suites; the one that worked last comes first."""
        known = self._suites.get(bmc.where)
        suites = sorted(bmc.cipher_suites, key=lambda one: one != known)
        outcome: Response | IpmiError = command_line.unanswered(
            bmc, command, time.monotonic() - began
        )
        for suite in suites:
            left = deadline - time.monotonic()
            if left < _LEAST:
                break
            try:
                run = self._run(bmc, suite, command, left)
            except OSError as error:
                return Unreachable(
                    bmc.where, command.name, 0.0, f"can't start it: {error}"
                )
            seconds = time.monotonic() - began
            if run is None:
                return command_line.unanswered(bmc, command, seconds)
            if run.code == 0:
                with self._lock:
                    self._suites[bmc.where] = suite
                return command_line.answer(bmc, command, seconds, run.output)
            outcome = command_line.failure(bmc, command, seconds, run.errors)
            if not command_line.wants_other_suite(run.errors):
                break
        return outcome

    def _run(
        self, bmc: Bmc, suite: int, command: Command, seconds: float
    ) -> _Run | None:
        """One process; None: it was killed at its deadline."""
        environment = {b"PATH": os.defpath.encode(), b"LC_ALL": b"C"}
        if bmc.key is not None:
            environment[b"IPMI_KGKEY"] = bmc.key.value.rstrip(b"\0")
        with _password_file(bmc.password.value) as number:
            argv = command_line.arguments(
                bmc, suite, command, seconds, f"/dev/fd/{number}"
            )
            process = self._started(argv, environment, number)
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            return None
        except BaseException:
            _kill(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return _Run(process.returncode, output, errors)

    def _started(
        self, argv: list[str], environment: dict[bytes, bytes], number: int
    ) -> subprocess.Popen[str]:
        """A process in a group of its own. Errors: OSError."""
        with self._lock:
            if self._stopped:
                raise OSError("the service stops")
            process = subprocess.Popen(  # noqa: S603 - no shell
                argv,
                executable=self.program,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=(number,),
                start_new_session=True,
                text=True,
                errors="replace",
            )
            self._running.add(process)
            return process


@contextmanager
def _password_file(password: bytes) -> Iterator[int]:
    """A file in memory that only the child is given; none is left behind."""
    number = os.memfd_create("ipmi", os.MFD_CLOEXEC)
    try:
        os.fchmod(number, 0o600)
        # An empty file is an error to the tool, an empty line a password.
        os.write(number, password or b"\0")
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)


def _end(process: subprocess.Popen[str]) -> None:
    if process.returncode is not None:
        # Its number may be another's by now.
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[str]) -> None:
    """End it and all that it started."""
    _end(process)
    try:
        process.communicate(timeout=_REAP)
    except subprocess.TimeoutExpired:
        LOG.error("Process %d can't be killed.", process.pid)


__all__ = ["IpmitoolClient"]
