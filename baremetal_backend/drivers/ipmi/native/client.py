# SPDX-License-Identifier: Apache-2.0
"""The native client: what all interfaces share (``ports.ConsoleClient``).

Whatever happens below, a command ends: with an answer, or with an error of
``drivers.ipmi.errors``, at its deadline at the latest. A pump that hangs or
dies is replaced by another; what can be repeated is, within its deadline.

A process that was forked from this one has no client: each command fails at
once. So the client is started after the last fork.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers import base
from baremetal_backend.drivers.ipmi import ports
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native import fit, serial_over_lan
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED, Circuit
from baremetal_backend.drivers.ipmi.native.figures import client_figures
from baremetal_backend.drivers.ipmi.native.pump import Pump
from baremetal_backend.drivers.ipmi.native.resolver import Resolver
from baremetal_backend.drivers.ipmi.native.watch import Watch
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered

# Seconds past its deadline at which a command has ended even if the pump
# hangs: the watch looks twice a second.
_GRACE: Final = 1.5


class IpmiClient(base.Equipment):
    """Speaks with all controllers of this process. Safe for all threads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._ipmi = settings.ipmi
        self._outstanding: dict[Work, None] = {}
        self._watch: Watch | None = None
        self._process = 0
        self._lost_lines: serial_over_lan.Lost = {}

    def start(self) -> None:
        """Begin to run. Errors: ConfigurationError."""
        fit.check()
        self._process = os.getpid()
        self._watch = Watch(self._new_pump, self._outstanding, Resolver())
        self._watch.start()

    def stop(self) -> None:
        """Close all sessions, and end."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()

    def _new_pump(self, number: int, resolver: Resolver) -> Pump:
        return Pump(self._ipmi, resolver, self._outstanding, number)

    # -- commands ------------------------------------------------------------

    def call(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Response:
        """Ask, and wait. Errors: IpmiError."""
        within = self._within(seconds)
        future = self.submit(bmc, command, within)
        try:
            return future.result(timeout=within + _GRACE)
        except FutureTimeout:
            raise Unreachable(
                bmc.where,
                command.name,
                within + _GRACE,
                "the client itself is stuck",
            ) from None

    def submit(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Future[Response]:
        """Ask. The future ends by itself."""
        future: Future[Response] = Future()
        future.set_running_or_notify_cancel()

        def done(answered: Answered) -> None:
            if isinstance(answered.outcome, IpmiError):
                future.set_exception(answered.outcome)
            else:
                future.set_result(answered.outcome)

        now = time.monotonic()
        self._put(Work(bmc, command, now, now + self._within(seconds), done))
        return future

    def ask(
        self,
        bmc: Bmc,
        command: Command,
        seconds: float,
        done: Callable[[Answered], None],
    ) -> None:
        """Ask for background work."""
        now = time.monotonic()
        self._put(
            Work(bmc, command, now, now + seconds, done, background=True)
        )

    def forget(self, bmc: Bmc) -> None:
        """Log out soon."""
        pump = self.pump
        if pump is not None:
            pump.post(lambda: pump.forget(bmc))

    def open_console(
        self,
        bmc: Bmc,
        received: Callable[[bytes], None],
        closed: Callable[[IpmiError | None], None],
        seconds: float | None = None,
        force: bool = False,
    ) -> Future[ports.SerialOverLan]:
        """Activate serial over LAN in a session of its own."""
        pump = self.pump
        if pump is None:
            future: Future[ports.SerialOverLan] = Future()
            why = "the client is not running"
            future.set_exception(
                Unreachable(bmc.where, "Serial over LAN", 0.0, why)
            )
            return future
        return serial_over_lan.open_line(
            pump,
            bmc,
            received,
            closed,
            self._within(seconds),
            force=force,
            lost=self._lost_lines,
        )

    def _within(self, seconds: float | None) -> float:
        return self._ipmi.command_retry_timeout if seconds is None else seconds

    def _put(self, work: Work) -> None:
        watch = self._watch
        if watch is None or self._process != os.getpid():
            why = "not running" if watch is None else "of another process"
            error = Unreachable(
                work.bmc.where,
                work.command.name,
                0.0,
                f"the client is {why}",
            )
            work.done(Answered(error, 0.0, work.submitted))
            return
        self._outstanding[work] = None
        watch.pump.post(work)
        if self._watch is not watch:
            # It was stopped meanwhile, and may not have seen this.
            watch.end_all()

    # -- what is known -------------------------------------------------------

    @property
    def pump(self) -> Pump | None:
        """The present one; None: not running here."""
        watch = self._watch
        if watch is None or self._process != os.getpid():
            return None
        return watch.pump

    def circuit(self, bmc: Bmc) -> Circuit:
        """What background work thinks of a controller."""
        pump = self.pump
        return CLOSED if pump is None else pump.circuit(bmc)

    def figures(self) -> Iterable[Figure]:
        """What the metrics show."""
        watch = self._watch
        if watch is None:
            return ()
        return client_figures(
            watch.pump, len(self._outstanding), watch.replaced
        )


__all__ = ["IpmiClient"]
