# SPDX-License-Identifier: Apache-2.0
"""A scripted controller and ours, without sockets, threads or real time.

Every datagram takes a millisecond. Tests decide what becomes of it on the way,
and let time pass: ``exchange.run(10)``.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.drivers.ipmi import command
from baremetal_backend.drivers.ipmi.bmc import Bmc, Secret
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.controller import Controller
from baremetal_backend.drivers.ipmi.native.link import Link
from baremetal_backend.drivers.ipmi.native.resolver import Address, Found
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered
from lab.ipmi import controller as lab_controller
from lab.ipmi.machine import Machine, Script

ON_THE_WAY = 0.001
BMC = Bmc(address="192.0.2.1", username=b"admin", password=Secret(b"secret"))
ADDRESS: Address = (2, ("192.0.2.1", 623))


class Wire:
    """Stands for a socket: what is sent arrives at the controller."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def send(self, datagram: bytes, address: tuple[Any, ...]) -> str | None:
        self._exchange.sent.append(datagram)
        if self._exchange.unsent is None:
            self._exchange.to_bmc(datagram)
        return self._exchange.unsent


class Asked:
    """A command that was asked for, and its end."""

    def __init__(self) -> None:
        self.answers: list[Answered] = []

    @property
    def outcome(self) -> Response | IpmiError | None:
        """None: it has not ended."""
        return self.answers[0].outcome if self.answers else None

    @property
    def seconds(self) -> float:
        return self.answers[0].seconds

    @property
    def error(self) -> str:
        assert isinstance(self.outcome, IpmiError), self.outcome
        return str(self.outcome)


class Exchange:
    """Is the ``Host`` of our controller, the network, and the clock."""

    def __init__(self, settings: IpmiSettings | None = None) -> None:
        self.settings = settings or IpmiSettings()
        self.now = 1000.0
        self.counts: Counter[str] = Counter()
        self.sent: list[bytes] = []
        self.received: list[bytes] = []
        self.left: list[Address] = []
        self.found: Found | None = [ADDRESS]
        #: Whether a datagram is lost, by direction.
        self.loses_request: Callable[[bytes], bool] = lambda _: False
        self.loses_answer: Callable[[bytes], bool] = lambda _: False
        #: Why nothing can be sent.
        self.unsent: str | None = None
        self.retired = False
        self._outstanding: dict[Work, None] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self.script = Script()
        self.machine = Machine(self.script, self.later)
        self.bmc = lab_controller.Controller(
            self.machine, 623, self._from_bmc, self.later
        )
        self.ours = Controller(self, (BMC.address, BMC.port))

    # -- what tests do -------------------------------------------------------

    def ask(
        self,
        asked: Command = command.CHASSIS_STATUS,
        seconds: float = 10.0,
        *,
        bmc: Bmc = BMC,
        background: bool = False,
        link: Link | None = None,
    ) -> Asked:
        """Submit a command; it goes on when time passes."""
        result = Asked()
        work = Work(
            bmc,
            asked,
            self.now,
            self.now + seconds,
            result.answers.append,
            background=background,
            link=link,
        )
        self._outstanding[work] = None
        self.ours.submit(work, self.now)
        return result

    def do(self, *args: Any, **named: Any) -> Asked:
        """Submit a command, and let time pass until it ended."""
        asked = self.ask(*args, **named)
        until = self.now + 700.0
        while asked.outcome is None and self.now < until:
            self.run(0.02)
        return asked

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            due = self.ours.due if not self.retired else float("inf")
            event = self._events[0][0] if self._events else float("inf")
            first = min(due, event)
            if first > until:
                break
            self.now = max(self.now, first)
            if event <= due:
                heapq.heappop(self._events)[2]()
            else:
                self.ours.tick(self.now)
        self.now = until

    def cut(self) -> None:
        """Nothing arrives any more."""
        self.loses_request = self.loses_answer = lambda _: True

    def mend(self) -> None:
        """All arrives again."""
        self.loses_request = self.loses_answer = lambda _: False

    def inject(self, datagram: bytes) -> None:
        """As if it came from the controller's address."""
        self.ours.received(datagram, self.now)

    def carried_out(self, what: str) -> int:
        """How often, as in ``00.02 03``."""
        return self.machine.journal.count(what)

    # -- the network ---------------------------------------------------------

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(
            self._events, (self.now + seconds, next(self._serial), do)
        )

    def to_bmc(self, datagram: bytes) -> None:
        if not self.loses_request(datagram):
            client = ("192.0.2.99", 40000)
            self.later(ON_THE_WAY, lambda: self.bmc.received(datagram, client))

    def _from_bmc(self, datagram: bytes, _client: tuple[Any, ...]) -> None:
        if not self.loses_answer(datagram):
            self.later(ON_THE_WAY, lambda: self._arrive(datagram))

    def _arrive(self, datagram: bytes) -> None:
        self.received.append(datagram)
        self.ours.received(datagram, self.now)

    # -- controller.Host -----------------------------------------------------

    def finish(
        self, work: Work, outcome: Response | IpmiError, now: float
    ) -> None:
        if self._outstanding.pop(work, work) is not None:
            return
        work.done(Answered(outcome, now - work.submitted, now))

    def mine(self, work: Work) -> bool:
        return work in self._outstanding

    def resolve(self, bmc: Bmc, then: Callable[[Found, float], None]) -> None:
        if self.found is not None:
            then(self.found, self.now)

    def join(self, address: Address, peer: Controller) -> Any:
        return Wire(self)

    def leave(self, port: Any, address: Address) -> None:
        self.left.append(address)

    def retire(self, controller: Controller) -> None:
        self.retired = True

    def chance(self) -> float:
        return 0.5

    def count(self, what: str) -> None:
        self.counts[what] += 1


def in_session(datagram: bytes) -> bool:
    """Whether it belongs to a session that is open."""
    return datagram[4] == 6 and bool(datagram[5] & 0x40)


def step(kind: int) -> Callable[[bytes], bool]:
    """Whether a datagram is of this payload type, outside of a session."""
    return lambda datagram: datagram[4] == 6 and datagram[5] & 0x3F == kind


def first(times: int, which: Callable[[bytes], bool]) -> Callable[..., bool]:
    """The first so many of those."""
    seen = itertools.count()
    return lambda datagram: which(datagram) and next(seen) < times
