# SPDX-License-Identifier: Apache-2.0
"""BMCs in memory, and a client that speaks with them without a network.

A BMC keeps the semantics of the originals that matter to the interfaces: a
command is accepted before it has any effect, the power state follows after a
time of the BMC's own, boot flags have a bit that says whether they hold, and
a log is cleared with a reservation.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Refused,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.ports import Answered


class Clock:
    """Monotonic seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeBmc:
    """One controller. Change its attributes to spoil it."""

    def __init__(self, clock: Callable[[], float], on: bool = False) -> None:
        self.clock = clock
        self._on = on
        self._due: tuple[float, bool] | None = None
        #: Seconds after which a command has its effect; None: never.
        self.on_after: float | None = 0.0
        self.off_after: float | None = 0.0
        self.soft_after: float | None = 0.0
        #: (network function, command) to a completion code.
        self.codes: dict[tuple[int, int], int] = {}
        self.boot_flags = bytes(5)
        self.boot_parameters: dict[int, bytes] = {}
        self.identify = 0
        self.events: list[bytes] = []
        self.reservation = 0
        self.done: Counter[str] = Counter()
        self.vendor: dict[tuple[int, int], bytes] = {}

    @property
    def on(self) -> bool:
        if self._due is not None and self.clock() >= self._due[0]:
            self._on, self._due = self._due[1], None
        return self._on

    @on.setter
    def on(self, value: bool) -> None:
        self._on, self._due = value, None

    def _change(self, on: bool, after: float | None) -> None:
        assert self.on is not None
        if after is not None:
            self._due = (self.clock() + after, on)

    def answer(self, command: Command) -> tuple[int, bytes]:
        """Completion code and data."""
        key = (command.netfn, command.number)
        self.done[command.name] += 1
        if key in self.codes:
            return self.codes[key], b""
        if key in self.vendor:
            return 0, self.vendor[key]
        handler = {
            (0x00, 0x01): self._status,
            (0x00, 0x02): self._control,
            (0x00, 0x04): self._identify,
            (0x00, 0x08): self._set_boot,
            (0x00, 0x09): self._get_boot,
            (0x06, 0x02): self._nothing,
            (0x06, 0x03): self._nothing,
            (0x0A, 0x42): self._reserve,
            (0x0A, 0x47): self._clear,
        }.get(key)
        if handler is None:
            return 0xC1, b""
        return handler(command.data)

    def _nothing(self, data: bytes) -> tuple[int, bytes]:
        return 0, b""

    def _status(self, data: bytes) -> tuple[int, bytes]:
        return 0, bytes([0x60 | self.on, 0, 0x40 | self.identify << 4])

    def _control(self, data: bytes) -> tuple[int, bytes]:
        if data[0] == 0:
            self._change(False, self.off_after)
        elif data[0] == 1:
            self._change(True, self.on_after)
        elif data[0] == 5:
            self._change(False, self.soft_after)
        return 0, b""

    def _identify(self, data: bytes) -> tuple[int, bytes]:
        forced = len(data) > 1 and data[1] & 1
        self.identify = 2 if forced else int(bool(data[0]))
        return 0, b""

    def _set_boot(self, data: bytes) -> tuple[int, bytes]:
        self.boot_parameters[data[0]] = data[1:]
        if data[0] == 5:
            self.boot_flags = data[1:]
        return 0, b""

    def _get_boot(self, data: bytes) -> tuple[int, bytes]:
        return 0, bytes([1, data[0]]) + self.boot_flags

    def _reserve(self, data: bytes) -> tuple[int, bytes]:
        self.reservation += 1
        return 0, self.reservation.to_bytes(2, "little")

    def _clear(self, data: bytes) -> tuple[int, bytes]:
        if int.from_bytes(data[:2], "little") != self.reservation:
            return 0xC5, b""
        if data[5] == 0xAA:
            self.events.clear()
            return 0, b"\x00"
        return 0, b"\x01"


class FakeClient:
    """``ports.Client`` over BMCs in memory; every answer comes at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        #: Address to BMC; what is not here does not answer.
        self.bmcs: dict[str, FakeBmc] = {}
        #: Address to errors that come before the BMC is asked.
        self.errors: dict[str, list[IpmiError]] = {}
        self.sent: list[tuple[Bmc, Command]] = []
        self.forgotten: list[Bmc] = []
        #: Futures that shall not end: their number counts down.
        self.hang = 0
        self.hung: list[Future[Response]] = []
        self._count = itertools.count()

    def _outcome(self, bmc: Bmc, command: Command) -> Response | IpmiError:
        self.sent.append((bmc, command))
        waiting = self.errors.get(bmc.address)
        if waiting:
            return waiting.pop(0)
        found = self.bmcs.get(bmc.address)
        if found is None:
            return Unreachable(bmc.where, command.name, 10.0, "no answer")
        code, data = found.answer(command)
        if code:
            return Refused(bmc.where, command.name, 0.0, "no", code)
        return Response(data)

    def call(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Response:
        outcome = self._outcome(bmc, command)
        if isinstance(outcome, IpmiError):
            raise outcome
        return outcome

    def submit(
        self, bmc: Bmc, command: Command, seconds: float | None = None
    ) -> Future[Response]:
        future: Future[Response] = Future()
        if self.hang:
            self.hang -= 1
            self.hung.append(future)
            return future
        outcome = self._outcome(bmc, command)
        if isinstance(outcome, IpmiError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    def ask(
        self,
        bmc: Bmc,
        command: Command,
        seconds: float,
        done: Callable[[Answered], None],
    ) -> None:
        done(Answered(self._outcome(bmc, command), 0.01, self.clock()))

    def forget(self, bmc: Bmc) -> None:
        self.forgotten.append(bmc)

    def names(self) -> list[str]:
        """What was sent, in order."""
        return [command.name for _bmc, command in self.sent]
