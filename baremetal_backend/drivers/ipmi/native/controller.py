# SPDX-License-Identifier: Apache-2.0
"""One controller as the client sees it: a queue, one command in flight.

A state machine without I/O: its host tells it of work, datagrams and the time,
and it tells its host what to send, when to look again, and how commands end.

* One command is in flight, whatever the number of credentials; what clients
  ask for goes before background work.
* A command ends at its deadline at the latest, wherever it is.
* A command that does harm when it is carried out twice is sent once. Before
  that a session that was silent for a while shows that it still lives.
* A session that does not answer is given up for a new one, within the same
  deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import (
    APPLICATION,
    Command,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    IpmiError,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED
from baremetal_backend.drivers.ipmi.native.host import Host, Stage
from baremetal_backend.drivers.ipmi.native.link import Link
from baremetal_backend.drivers.ipmi.native.login import LoggedIn, Login
from baremetal_backend.drivers.ipmi.native.outcomes import (
    Again,
    cut_short,
    failure,
    of_answer,
    of_silence,
)
from baremetal_backend.drivers.ipmi.native.pace import Pace
from baremetal_backend.drivers.ipmi.native.resolver import Address, Found
from baremetal_backend.drivers.ipmi.native.session import (
    Advanced,
    Answer,
    Rejected,
    Rmcp,
    Rubbish,
)
from baremetal_backend.drivers.ipmi.native.sockets import Port
from baremetal_backend.drivers.ipmi.native.work import Queue, Work

GET_DEVICE_ID: Final = Command("Get Device ID", APPLICATION, 0x01)

_NO_TURN: Final = (
    "its turn did not come: other commands were waiting for the controller"
)

_STOPPING: Final = "the client is stopping"

# How often a request is sent in a session that was open already before the
# session counts as lost.
_TRIES_OLD: Final = 3

# Seconds. The same for a session that was opened for the request: by then the
# controller is slow rather than deaf.
_PATIENCE: Final = 5.0
# A session that was heard this lately is alive.
_ALIVE: Final = 1.0
# A controller without a free session is asked again, as long as a client
# waits for it.
_FULL_PAUSE: Final = 2.0
# Nobody asks for it: it is not remembered any more.
_REMEMBERED: Final = 600.0


class Controller:
    """Owner: the pump's thread."""

    def __init__(self, host: Host, name: tuple[str, int]) -> None:
        self._host = host
        self.name = name
        self.stage = Stage.IDLE
        self._queue = Queue()
        self._links: list[Link] = []
        self._pace = Pace()
        self._work: Work | None = None
        self._link: Link | None = None
        self._login: Login | None = None
        self._closing: Rmcp | None = None
        self._addresses: list[Address] = []
        self._port: Port[Controller] | None = None
        self._address: Address | None = None
        self._stopping = False
        self._used_at = 0.0
        self._new_exchange()

    def _new_exchange(self) -> None:
        self._tries = 0
        self._sent = 0
        self._sent_at = 0.0
        self._repeat_at = math.inf
        self._rubbish: str | None = None
        self._full: str | None = None
        self._unsent: str | None = None

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
                self._host.finish(work, refusal, now)
                return
            link.circuit = circuit.probing(now, work.deadline - now)
        self._used_at = now
        self._queue.put(work)
        if self.stage is Stage.IDLE:
            self._settle(now)

    def received(self, datagram: bytes, now: float) -> None:
        """A datagram from its address."""
        try:
            self._dispatch(datagram, now)
        except Rubbish as error:
            self._rubbish = str(error)
            self._host.count("rubbish")
        if self.stage is Stage.IDLE:
            self._settle(now)

    def tick(self, now: float) -> None:
        """Look at the clock."""
        for late in self._queue.expired(now):
            self._no_turn(late, now)
        if self._work is not None and now >= self._work.deadline:
            self._too_late(self._work, now)
        elif now >= self._repeat_at:
            self._repeat(now)
        if self.stage is Stage.IDLE:
            self._settle(now)

    @property
    def due(self) -> float:
        """When to look at the clock again."""
        due = min(self._queue.soonest, self._repeat_at)
        if self._work is not None:
            return min(due, self._work.deadline)
        if self.stage is Stage.CLOSING:
            return due
        idle = self._host.settings.session_idle_timeout
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
        if self.stage is Stage.IDLE:
            return self._used_at + self._host.settings.session_idle_timeout
        return self._repeat_at

    @property
    def open_sessions(self) -> int:
        """Sessions that the controller has for us."""
        closing = self._closing is not None
        return closing + sum(link.rmcp is not None for link in self._links)

    @property
    def waiting(self) -> bool:
        """Whether something could be begun."""
        return self.stage is Stage.IDLE and bool(self._queue)

    @property
    def quiet(self) -> bool:
        """Whether nothing is open or in flight."""
        return self.stage is Stage.IDLE and not self.open_sessions

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
        if self.stage is Stage.IDLE:
            self._settle(now)

    def stop(self, now: float) -> None:
        """End all work and close all sessions."""
        self._stopping = True
        for work in (*self._queue.clear(), *filter(None, (self._work,))):
            self._host.finish(work, cut_short(work, _STOPPING, now), now)
        self._drop_exchange()
        for link in list(self._links):
            where = link.bmc.where
            _tell_lost(link, Unreachable(where, "Session", 0.0, _STOPPING))
            link.forgotten = True
        self._settle(now)

    # -- between commands ----------------------------------------------------

    def _settle(self, now: float) -> None:
        """Begin what can be begun, until something is in flight."""
        while self.stage is Stage.IDLE:
            work = None if self._stopping else self._queue.take()
            if work is None:
                if not self._close_one(now):
                    break
            elif now >= work.deadline or not self._host.mine(work):
                self._no_turn(work, now)
            else:
                self._begin(work, now)
        if self.stage is Stage.IDLE and not self._queue:
            self._rest(now)

    def _no_turn(self, work: Work, now: float) -> None:
        """Its time was over before it began."""
        self._turn_away(work, failure(work, Unreachable, _NO_TURN, now), now)

    def _turn_away(self, work: Work, error: IpmiError, now: float) -> None:
        self._host.finish(work, error, now)
        if work.link is not None and work.link.rmcp is None:
            _tell_lost(work.link, error)

    def _rest(self, now: float) -> None:
        """Nothing to do: for how long is it remembered?"""
        self._links = [
            link
            for link in self._links
            if not link.forgotten or link.rmcp is not None
        ]
        forgotten = not self._links or now >= self._used_at + _REMEMBERED
        if forgotten and not self.open_sessions:
            if self._port is not None and self._address is not None:
                self._host.leave(self._port, self._address)
                self._port = self._address = None
            self._host.retire(self)

    def _close_one(self, now: float) -> bool:
        """Begin to close a session that nobody uses; False: there is none."""
        idle = self._host.settings.session_idle_timeout
        for link in self._links:
            if link.rmcp is None or link.dedicated:
                continue
            if link.forgotten or now >= link.used_at + idle:
                self._new_exchange()
                self._closing, link.rmcp = link.rmcp, None
                self.stage = Stage.CLOSING
                self._closing.close()
                self._sent_once(now)
                return True
        return False

    def _begin(self, work: Work, now: float) -> None:
        self._new_exchange()
        self._work = work
        self._link = link = work.link or self.link(work.bmc)
        link.proven = False
        if work.link is None and link.rmcp is None:
            # Somebody wants it again.
            link.forgotten = False
        if link.rmcp is not None:
            self._run(work, link, now)
        elif work.link is not None and (link.suite or link.forgotten):
            self._fail(Unreachable, "its session is closed", now)
        else:
            self._log_in(work, now)

    # -- login ---------------------------------------------------------------

    def _log_in(self, work: Work, now: float) -> None:
        self.stage = Stage.NAMES
        self._repeat_at = math.inf

        def then(found: Found, now: float) -> None:
            if self._work is work and self.stage is Stage.NAMES:
                self._resolved(found, now)

        self._host.resolve(work.bmc, then)

    def _resolved(self, found: Found, now: float) -> None:
        if isinstance(found, str):
            self._fail(Unreachable, found, now)
            return
        self._addresses = list(found)
        if self._address not in self._addresses:
            try:
                self._reach(self._addresses)
            except OSError as error:
                self._fail(Unreachable, f"no socket: {error}", now)
                return
        link = self._current_link
        suites = list(link.bmc.cipher_suites)
        if link.suite in suites:
            suites.sort(key=lambda suite: suite != link.suite)
        self._login = Login(link.bmc, suites, self._transmit)
        self.stage = Stage.LOGIN
        self._login.begin()
        self._sent_once(now)
        self._host.count("logins")

    def resolved(self, then: Callable[[], None], now: float) -> None:
        """Go on with a name that was looked up elsewhere."""
        then()
        if self.stage is Stage.IDLE:
            self._settle(now)

    def _reach(self, addresses: list[Address]) -> None:
        """Be reached at the first that there can be a socket for.

        A host without IPv6 has none for the first address of many names.
        Errors: OSError of the last one.
        """
        for left, address in enumerate(addresses, 1 - len(addresses)):
            try:
                self._move(address)
            except OSError:
                if not left:
                    raise
            else:
                return

    def _move(self, address: Address) -> None:
        """Be reached there. Errors: OSError."""
        port = self._host.join(address, self)
        if self._port is not None and self._address is not None:
            self._host.leave(self._port, self._address)
        for link in self._links:
            # Sessions at the old address belong to somebody else.
            if link.rmcp is not None:
                link.rmcp = None
                why = "the controller has another address now"
                error = Unreachable(link.bmc.where, "Session", 0.0, why)
                _tell_lost(link, error)
        self._port, self._address = port, address

    def _transmit(self, datagram: bytes) -> None:
        if self._port is not None and self._address is not None:
            self._sent += 1
            self._unsent = self._port.send(datagram, self._address[1])

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
        if self._login is None:
            return
        event = self._login.receive(datagram)
        if isinstance(event, Advanced):
            self._measure(now)
            self._sent_once(now)
        elif isinstance(event, LoggedIn):
            self._logged_in(event, now)
        elif isinstance(event, Rejected):
            self._rejected(event, now)

    def _logged_in(self, event: LoggedIn, now: float) -> None:
        self._measure(now)
        link, work = self._current_link, self._work
        link.rmcp, link.suite = event.rmcp, event.suite
        link.heard_at = link.used_at = now
        link.proven = True
        self._login = None
        if work is not None:
            self._run(work, link, now)

    def _rejected(self, event: Rejected, now: float) -> None:
        self._login = None
        work = self._work
        if (
            event.error is Busy
            and work is not None
            and not work.background
            and work.deadline > now + _FULL_PAUSE
        ):
            self.stage = Stage.FULL
            self._full = event.detail
            self._repeat_at = now + _FULL_PAUSE
            return
        self._fail(event.error, event.detail, now)

    def _in_session(self, link: Link, event: Any, now: float) -> None:
        if link.rmcp is not None and link.rmcp.authentic:
            link.heard_at = now
        if not isinstance(event, Answer) or link is not self._link:
            return
        if self.stage is Stage.PROBE and self._work is not None:
            self._measure(now)
            self._send_command(self._work, link, now)
        elif self.stage is Stage.COMMAND and self._work is not None:
            self._measure(now)
            self._answered(self._work, event, now)

    def _answered(self, work: Work, answer: Answer, now: float) -> None:
        outcome = of_answer(work, answer, now)
        if isinstance(outcome, Again):
            self.stage = Stage.BUSY
            self._repeat_at = outcome.at
        else:
            self._end(outcome, now)

    # -- commands ------------------------------------------------------------

    def _run(self, work: Work, link: Link, now: float) -> None:
        alive = link.proven or now < link.heard_at + _ALIVE
        if work.command.repeatable or alive or link.rmcp is None:
            self._send_command(work, link, now)
            return
        self.stage = Stage.PROBE
        link.rmcp.request(GET_DEVICE_ID.netfn, GET_DEVICE_ID.number, b"", None)
        self._sent_once(now)

    def _send_command(self, work: Work, link: Link, now: float) -> None:
        if now >= work.deadline:
            self._too_late(work, now)
            return
        # Whoever ends it elsewhere takes it away first, and looks then.
        work.sent = True
        if link.rmcp is None or not self._host.mine(work):
            self._drop_exchange()
            return
        command = work.command
        self.stage = Stage.COMMAND
        link.rmcp.request(
            command.netfn, command.number, command.data, command.bridge
        )
        self._sent_once(now)
        if not command.repeatable:
            self._repeat_at = math.inf

    def _sent_once(self, now: float) -> None:
        self._tries = 1
        self._sent_at = now
        self._repeat_at = now + self._pace.wait(1, self._host.chance())

    def _measure(self, now: float) -> None:
        took = now - self._sent_at
        self._pace = self._pace.measured(took, self._tries)

    def _repeat(self, now: float) -> None:
        """Nothing came back in time."""
        if self.stage is Stage.CLOSING:
            if self._closing is None or self._tries > 1:
                self._closed()
                return
            self._closing.repeat_request(renumber=False)
        elif self._work is None or self._link is None:
            self._repeat_at = math.inf
            return
        elif self.stage is Stage.FULL:
            self._log_in(self._work, now)
            return
        elif self.stage is Stage.BUSY:
            self._send_command(self._work, self._link, now)
            return
        elif self.stage is Stage.LOGIN:
            self._repeat_login()
        elif not self._repeat_request(self._work, self._link, now):
            return
        self._tries += 1
        self._host.count("repetitions")
        tries = self._tries
        if self._login is not None and self._login.heard:
            # It is there: what gets lost is lost on the way.
            tries = min(tries, _TRIES_OLD)
        self._repeat_at = now + self._pace.wait(tries, self._host.chance())

    def _repeat_login(self) -> None:
        if self._login is None:
            return
        # A session that is open speaks for its address, for a while.
        stays = self.open_sessions and self._tries <= _TRIES_OLD
        if len(self._addresses) > 1 and not self._login.heard and not stays:
            at = self._addresses.index(self._address or self._addresses[0])
            self._reach(self._addresses[at + 1 :] + self._addresses[:at])
        self._login.repeat()

    def _repeat_request(self, work: Work, link: Link, now: float) -> bool:
        """Send the request again; False: the session was given up."""
        if link.proven:
            goes_on = now < self._sent_at + _PATIENCE
        else:
            goes_on = self._tries < _TRIES_OLD
        if link.rmcp is not None and (goes_on or link.dedicated):
            link.rmcp.repeat_request(renumber=self._tries > 1)
            return True
        self._give_up(link)
        self._log_in(work, now)
        return False

    def _give_up(self, link: Link) -> None:
        """The session does not answer: it may have been lost.

        It is closed without waiting, in case that it was only slow: many
        controllers have four sessions in all.
        """
        self._host.count("lost_sessions")
        if link.rmcp is not None:
            link.rmcp.close()
            link.rmcp = None

    # -- ends ----------------------------------------------------------------

    @property
    def _current_link(self) -> Link:
        if self._link is None:
            raise RuntimeError("no command is in flight")
        return self._link

    def _too_late(self, work: Work, now: float) -> None:
        """The deadline of the command in flight."""
        waited_for = self.stage.value
        if self._login is not None:
            waited_for = f"{waited_for} (step: {self._login.step})"
        if self.stage in (Stage.COMMAND, Stage.PROBE):
            self._give_up(self._current_link)
        error = of_silence(
            work,
            now,
            waited_for=waited_for,
            sent=self._sent,
            full=self._full,
            rubbish=self._rubbish,
            unsent=self._unsent,
        )
        self._end(error, now)

    def fail(self, error: type[IpmiError], detail: str, now: float) -> None:
        """End what is in flight, and its session, for a fault of ours."""
        self._closing = self._login = None
        if self._link is not None:
            self._link.rmcp = None
        work = self._work
        if work is not None and work.sent and not work.command.repeatable:
            self._end(cut_short(work, detail, now), now)
        elif work is not None:
            self._fail(error, detail, now)
        else:
            self._drop_exchange()

    def _fail(self, error: type[IpmiError], detail: str, now: float) -> None:
        if self._work is not None:
            self._end(failure(self._work, error, detail, now), now)

    def _end(self, outcome: Response | IpmiError, now: float) -> None:
        work, link = self._work, self._current_link
        self._drop_exchange()
        link.used_at = self._used_at = now
        known = isinstance(outcome, BadCredentials) and link.rmcp is not None
        if isinstance(outcome, Response) or known:
            # Also what may not be done in a session is an answer.
            link.circuit = CLOSED
        else:
            settings = self._host.settings
            link.circuit = link.circuit.failed(
                outcome,
                now,
                settings.breaker_failures,
                settings.breaker_longest_pause,
            )
        if work is not None:
            self._host.finish(work, outcome, now)
        if link.rmcp is None and isinstance(outcome, IpmiError):
            _tell_lost(link, outcome)

    def _drop_exchange(self) -> None:
        if self._login is not None:
            self._login.give_up()
        self._work = self._link = self._login = None
        self._repeat_at = math.inf
        self.stage = Stage.IDLE

    def _closed(self) -> None:
        self._closing = None
        self._repeat_at = math.inf
        self.stage = Stage.IDLE


def _tell_lost(link: Link, error: IpmiError) -> None:
    """Its owner hears of the end of a dedicated session, once."""
    lost, link.lost = link.lost, None
    if lost is not None:
        link.forgotten = True
        lost(error)


__all__ = ["GET_DEVICE_ID", "Controller"]
