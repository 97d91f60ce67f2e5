# SPDX-License-Identifier: Apache-2.0
"""One controller as the client sees it: a queue, sessions, what is in flight.

A state machine without I/O: its host tells it of work, datagrams and the time,
and it tells its host what to send, when to look again, and how commands end.

* One command is in flight, whatever the number of credentials; what clients
  ask for goes before background work.
* A command ends at its deadline at the latest, wherever it is.
* A session that nobody uses is closed when nothing is in flight.

How a command in flight goes on is ``exchange``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Response
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    IpmiError,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED
from baremetal_backend.drivers.ipmi.native.events import Answer, Rubbish
from baremetal_backend.drivers.ipmi.native.exchange import Exchange
from baremetal_backend.drivers.ipmi.native.host import Host, Stage
from baremetal_backend.drivers.ipmi.native.link import Link
from baremetal_backend.drivers.ipmi.native.outcomes import cut_short, failure
from baremetal_backend.drivers.ipmi.native.rhythm import Rhythm
from baremetal_backend.drivers.ipmi.native.session import Rmcp
from baremetal_backend.drivers.ipmi.native.way import Way
from baremetal_backend.drivers.ipmi.native.work import Queue, Work

_NO_TURN: Final = (
    "its turn did not come: other commands were waiting for the controller"
)

_STOPPING: Final = "the client is stopping"

# Seconds without anybody who asks for it: it is not remembered any more.
_REMEMBERED: Final = 600.0


class Controller:
    """Owner: the pump's thread. For its exchanges it is their ``Side``."""

    def __init__(self, host: Host, name: tuple[str, int]) -> None:
        self.host = host
        self.name = name
        self.way = Way(host, self, self._moved)
        self.rhythm = Rhythm(host)
        self._queue = Queue()
        self._links: list[Link] = []
        # Whether something can be begun: nothing is in flight.
        self._free = True
        self._exchange: Exchange | None = None
        self._closing: Rmcp | None = None
        self._stopping = False
        self._used_at = 0.0

    @property
    def stage(self) -> Stage:
        """What it waits for."""
        if self._exchange is not None:
            return self._exchange.stage
        return Stage.IDLE if self._free else Stage.CLOSING

    # -- what the host says --------------------------------------------------

    def submit(self, work: Work, now: float) -> None:
        """Put it into the queue, and begin if nothing is in flight."""
        if self._stopping:
            self._turn_away(work, cut_short(work, _STOPPING, now), now)
            return
        link = work.link or self.link(work.bmc)
        if work.background:
            circuit = link.circuit
            if not circuit.admits(now):
                refusal = circuit.refusal(
                    work.bmc.where, work.command.name, now
                )
                self.host.finish(work, refusal, now)
                return
            link.circuit = circuit.probing(now, work.deadline - now)
        self._used_at = now
        self._queue.put(work)
        if self._free:
            self._settle(now)

    def received(self, datagram: bytes, now: float) -> None:
        """A datagram from its address."""
        try:
            self._dispatch(datagram, now)
        except Rubbish as error:
            if self._exchange is not None:
                self._exchange.rubbish = str(error)
            self.host.count("rubbish")
        if self._free:
            self._settle(now)

    def tick(self, now: float) -> None:
        """Look at the clock."""
        for late in self._queue.expired(now):
            self._no_turn(late, now)
        exchange = self._exchange
        if exchange is not None and now >= exchange.work.deadline:
            exchange.too_late(now)
        elif now >= self.rhythm.due:
            self._repeat(now)
        if self._free:
            self._settle(now)

    @property
    def due(self) -> float:
        """When to look at the clock again."""
        due = min(self._queue.soonest, self.rhythm.due)
        if self._exchange is not None:
            return min(due, self._exchange.work.deadline)
        if not self._free:
            return due
        idle = self.host.settings.session_idle_timeout
        in_use = False
        for link in self._links:
            if link.rmcp is not None:
                in_use = True
                if not link.dedicated:
                    due = min(due, link.used_at + idle)
        # With a session it is remembered anyway: a moment that has passed
        # would come again and again.
        return due if in_use else min(due, self._used_at + _REMEMBERED)

    @property
    def next_move(self) -> float:
        """Not before this, if ``due`` was looked at when work came."""
        if self._free:
            return self._used_at + self.host.settings.session_idle_timeout
        return self.rhythm.due

    @property
    def open_sessions(self) -> int:
        """Sessions that the controller has for us."""
        closing = self._closing is not None
        return closing + sum(link.rmcp is not None for link in self._links)

    @property
    def waiting(self) -> bool:
        """Whether something could be begun."""
        return self._free and bool(self._queue)

    @property
    def quiet(self) -> bool:
        """Whether nothing is open or in flight."""
        return self._free and not self.open_sessions

    @property
    def links(self) -> list[Link]:
        """Its sessions, open or not."""
        return self._links

    def link(self, bmc: Bmc) -> Link:
        """The session that all commands of these credentials share."""
        for link in self._links:
            if not link.dedicated and (link.bmc is bmc or link.bmc == bmc):
                return link
        link = Link(bmc)
        self._links.append(link)
        return link

    def dedicate(self, bmc: Bmc, lost: Callable[[IpmiError], None]) -> Link:
        """A session for one purpose; opened by the first work for it."""
        link = Link(bmc, lost)
        self._links.append(link)
        return link

    def forget(self, bmc: Bmc, now: float) -> None:
        """Close the shared session of these credentials when it is free."""
        for link in self._links:
            if link.bmc == bmc and not link.dedicated:
                self.release(link, now)
                return

    def release(self, link: Link, now: float) -> None:
        """Close a session when it is free."""
        link.forgotten = True
        link.lost = None
        if self._free:
            self._settle(now)

    def stop(self, now: float) -> None:
        """End all work and close all sessions."""
        self._stopping = True
        ending = self._queue.clear()
        if self._exchange is not None:
            ending.append(self._exchange.work)
        for work in ending:
            self.host.finish(work, cut_short(work, _STOPPING, now), now)
        self.drop()
        for link in list(self._links):
            where = link.bmc.where
            link.tell_lost(Unreachable(where, "Session", 0.0, _STOPPING))
            link.forgotten = True
        self._settle(now)

    # -- between commands ----------------------------------------------------

    def _settle(self, now: float) -> None:
        """Begin what can be begun, until something is in flight."""
        while self._free:
            work = None if self._stopping else self._queue.take()
            if work is None:
                if not self._close_one(now):
                    break
            elif now >= work.deadline or not self.host.mine(work):
                self._no_turn(work, now)
            else:
                self._begin(work, now)
        if self._free and not self._queue:
            self._rest(now)

    def _no_turn(self, work: Work, now: float) -> None:
        """Its time was over before it began."""
        self._turn_away(work, failure(work, Unreachable, _NO_TURN, now), now)

    def _turn_away(self, work: Work, error: IpmiError, now: float) -> None:
        self.host.finish(work, error, now)
        if work.link is not None and work.link.rmcp is None:
            work.link.tell_lost(error)

    def _rest(self, now: float) -> None:
        """Nothing to do: for how long is it remembered?"""
        self._links = [
            link
            for link in self._links
            if not link.forgotten or link.rmcp is not None
        ]
        forgotten = not self._links or now >= self._used_at + _REMEMBERED
        if forgotten and not self.open_sessions:
            self.way.end()
            self.host.retire(self)

    def _close_one(self, now: float) -> bool:
        """Begin to close a session that nobody uses; False: there is none."""
        idle = self.host.settings.session_idle_timeout
        for link in self._links:
            if link.rmcp is None or link.dedicated:
                continue
            if link.forgotten or now >= link.used_at + idle:
                self._closing, link.rmcp = link.rmcp, None
                self._free = False
                self._closing.close()
                self.rhythm.sent(now)
                return True
        return False

    def _begin(self, work: Work, now: float) -> None:
        link = work.link or self.link(work.bmc)
        if work.link is None and link.rmcp is None:
            # Somebody wants it again.
            link.forgotten = False
        self.way.count_anew()
        self._free = False
        self._exchange = exchange = Exchange(self, work, link)
        exchange.begin(now)

    def resolved(self, then: Callable[[], None], now: float) -> None:
        """Go on with a name that was looked up elsewhere."""
        then()
        if self._free:
            self._settle(now)

    def _moved(self) -> None:
        """Sessions at the old address belong to somebody else."""
        for link in self._links:
            if link.rmcp is not None:
                link.rmcp = None
                why = "the controller has another address now"
                link.tell_lost(
                    Unreachable(link.bmc.where, "Session", 0.0, why)
                )

    # -- datagrams -----------------------------------------------------------

    def _dispatch(self, datagram: bytes, now: float) -> None:
        if (
            len(datagram) >= 16
            and datagram[4] == 6
            and datagram[5] & 0x3F in (0, 1)
        ):
            session = int.from_bytes(datagram[6:10], "little")
            closing = self._closing
            if closing is not None and closing.session_id == session:
                if closing.receive(datagram) is not None:
                    self._closed()
                return
            for link in self._links:
                rmcp = link.rmcp
                if rmcp is not None and rmcp.session_id == session:
                    self._in_session(link, rmcp.receive(datagram), now)
                    return
        if self._exchange is not None:
            self._exchange.received(datagram, now)

    def _in_session(self, link: Link, event: Any, now: float) -> None:
        if link.rmcp is not None and link.rmcp.authentic:
            link.heard_at = now
        exchange = self._exchange
        if (
            exchange is not None
            and link is exchange.link
            and isinstance(event, Answer)
        ):
            exchange.answered(event, now)

    def _repeat(self, now: float) -> None:
        """Nothing came back in time."""
        if self._exchange is not None:
            self._exchange.repeat(now)
        elif self._free:
            self.rhythm.rest()
        elif self._closing is None or self.rhythm.tries > 1:
            self._closed()
        else:
            self._closing.repeat_request(renumber=False)
            self.rhythm.repeated(now)

    # -- ends ----------------------------------------------------------------

    def fail(self, error: type[IpmiError], detail: str, now: float) -> None:
        """End what is in flight, and its session, for a fault of ours."""
        self._closing = None
        if self._exchange is not None:
            self._exchange.fault(error, detail, now)
        else:
            self.drop()

    def end(
        self, exchange: Exchange, outcome: Response | IpmiError, now: float
    ) -> None:
        """The command in flight ended so."""
        link = exchange.link
        self.drop()
        link.used_at = self._used_at = now
        known = isinstance(outcome, BadCredentials) and link.rmcp is not None
        if isinstance(outcome, Response) or known:
            # Also what may not be done in a session is an answer.
            link.circuit = CLOSED
        else:
            settings = self.host.settings
            link.circuit = link.circuit.failed(
                outcome,
                now,
                settings.breaker_failures,
                settings.breaker_longest_pause,
            )
        self.host.finish(exchange.work, outcome, now)
        if link.rmcp is None and isinstance(outcome, IpmiError):
            link.tell_lost(outcome)

    def drop(self) -> None:
        """Nothing is in flight any more."""
        if self._exchange is not None:
            self._exchange.over()
        self._exchange = None
        self._free = True
        self.rhythm.rest()

    def _closed(self) -> None:
        self._closing = None
        self._free = True
        self.rhythm.rest()


__all__ = ["Controller"]
