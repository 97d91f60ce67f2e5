# SPDX-License-Identifier: Apache-2.0
"""One command in flight: from its turn to its outcome, login included.

* A command that does harm when it is carried out twice is sent once. Before
  that a session that was silent for a while shows that it still lives.
* A session that does not answer is given up for a new one, within the same
  deadline.
* It ends once, with ``Side.end`` or ``Side.drop``, and does nothing after.

It knows nothing of other commands, nor what an outcome means for the next.
"""

from __future__ import annotations

from typing import Final, Protocol

from baremetal_backend.drivers.ipmi.command import (
    APPLICATION,
    Command,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    Busy,
    IpmiError,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.events import (
    Advanced,
    Answer,
    Rejected,
)
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
from baremetal_backend.drivers.ipmi.native.resolver import Found
from baremetal_backend.drivers.ipmi.native.rhythm import Rhythm
from baremetal_backend.drivers.ipmi.native.way import Way
from baremetal_backend.drivers.ipmi.native.work import Work

GET_DEVICE_ID: Final = Command("Get Device ID", APPLICATION, 0x01)

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


class Side(Protocol):
    """What all exchanges with a controller share: our side of it."""

    host: Host
    way: Way
    rhythm: Rhythm

    @property
    def open_sessions(self) -> int:
        """Sessions that the controller has for us."""
        ...

    def end(
        self, exchange: Exchange, outcome: Response | IpmiError, now: float
    ) -> None:
        """It ended so."""
        ...

    def drop(self) -> None:
        """Somebody else ended the command that is in flight."""
        ...


class Exchange:
    """Owner: the pump's thread."""

    __slots__ = (
        "_full",
        "_login",
        "_side",
        "link",
        "rubbish",
        "stage",
        "work",
    )

    def __init__(self, side: Side, work: Work, link: Link) -> None:
        self._side = side
        self.work = work
        #: The session that the command is for.
        self.link = link
        self.stage = Stage.IDLE
        #: Why the last datagram that made no sense made none.
        self.rubbish: str | None = None
        self._login: Login | None = None
        # What it said when it had no session left.
        self._full: str | None = None

    # -- what the controller's side says -------------------------------------

    def begin(self, now: float) -> None:
        """Its turn came."""
        link = self.link
        link.proven = False
        if link.rmcp is not None:
            self._run(now)
        elif self.work.link is not None and (link.suite or link.forgotten):
            self._fail(Unreachable, "its session is closed", now)
        else:
            self._log_in(now)

    def received(self, datagram: bytes, now: float) -> None:
        """A datagram outside of all sessions. Errors: Rubbish."""
        if self._login is None:
            return
        event = self._login.receive(datagram)
        if isinstance(event, Advanced):
            self._side.rhythm.answered(now)
            self._side.rhythm.sent(now)
        elif isinstance(event, LoggedIn):
            self._logged_in(event, now)
        elif isinstance(event, Rejected):
            self._rejected(event, now)

    def answered(self, answer: Answer, now: float) -> None:
        """Its session got an answer to its present request."""
        if self.stage is Stage.PROBE:
            self._side.rhythm.answered(now)
            self._send_command(now)
        elif self.stage is Stage.COMMAND:
            self._side.rhythm.answered(now)
            outcome = of_answer(self.work, answer, now)
            if isinstance(outcome, Again):
                self.stage = Stage.BUSY
                self._side.rhythm.due = outcome.at
            else:
                self._side.end(self, outcome, now)

    def repeat(self, now: float) -> None:
        """Nothing came back in time, or a pause is over."""
        if self.stage is Stage.FULL:
            self._log_in(now)
            return
        if self.stage is Stage.BUSY:
            self._send_command(now)
            return
        if self.stage is Stage.LOGIN:
            self._repeat_login()
        elif not self._repeat_request(now):
            return
        # It is there: what gets lost is lost on the way.
        heard = self._login is not None and self._login.heard
        self._side.rhythm.repeated(now, _TRIES_OLD if heard else None)

    def too_late(self, now: float) -> None:
        """The deadline of the command."""
        waited_for = self.stage.value
        if self._login is not None:
            waited_for = f"{waited_for} (step: {self._login.step})"
        if self.stage in (Stage.COMMAND, Stage.PROBE):
            self._give_up()
        error = of_silence(
            self.work,
            now,
            waited_for=waited_for,
            sent=self._side.way.sent,
            full=self._full,
            rubbish=self.rubbish,
            unsent=self._side.way.unsent,
        )
        self._side.end(self, error, now)

    def fault(self, error: type[IpmiError], detail: str, now: float) -> None:
        """End it, and its session, for a fault of ours."""
        self._login = None
        self.link.rmcp = None
        if self.work.sent and not self.work.command.repeatable:
            self._side.end(self, cut_short(self.work, detail, now), now)
        else:
            self._fail(error, detail, now)

    def over(self) -> None:
        """It has ended; a name that is found now is nobody's."""
        if self._login is not None:
            self._login.give_up()
        self._login = None
        self.stage = Stage.IDLE

    # -- login ---------------------------------------------------------------

    def _log_in(self, now: float) -> None:
        self.stage = Stage.NAMES
        self._side.rhythm.rest()

        def then(found: Found, now: float) -> None:
            if self.stage is Stage.NAMES:
                self._resolved(found, now)

        self._side.host.resolve(self.work.bmc, then)

    def _resolved(self, found: Found, now: float) -> None:
        if isinstance(found, str):
            self._fail(Unreachable, found, now)
            return
        try:
            self._side.way.lead_to(found)
        except OSError as error:
            self._fail(Unreachable, f"no socket: {error}", now)
            return
        link = self.link
        suites = list(link.bmc.cipher_suites)
        if link.suite in suites:
            suites.sort(key=lambda suite: suite != link.suite)
        self._login = Login(link.bmc, suites, self._side.way.send)
        self.stage = Stage.LOGIN
        self._login.begin()
        self._side.rhythm.sent(now)
        self._side.host.count("logins")

    def _logged_in(self, event: LoggedIn, now: float) -> None:
        self._side.rhythm.answered(now)
        link = self.link
        link.rmcp, link.suite = event.rmcp, event.suite
        link.heard_at = link.used_at = now
        link.proven = True
        self._login = None
        self._run(now)

    def _rejected(self, event: Rejected, now: float) -> None:
        self._login = None
        if (
            event.error is Busy
            and not self.work.background
            and self.work.deadline > now + _FULL_PAUSE
        ):
            self.stage = Stage.FULL
            self._full = event.detail
            self._side.rhythm.due = now + _FULL_PAUSE
            return
        self._fail(event.error, event.detail, now)

    def _repeat_login(self) -> None:
        if self._login is None:
            return
        side = self._side
        # A session that is open speaks for its address, for a while.
        stays = side.open_sessions and side.rhythm.tries <= _TRIES_OLD
        if not self._login.heard and not stays:
            side.way.turn()
        self._login.repeat()

    # -- the command ---------------------------------------------------------

    def _run(self, now: float) -> None:
        link = self.link
        alive = link.proven or now < link.heard_at + _ALIVE
        if self.work.command.repeatable or alive or link.rmcp is None:
            self._send_command(now)
            return
        self.stage = Stage.PROBE
        link.rmcp.request(GET_DEVICE_ID.netfn, GET_DEVICE_ID.number, b"", None)
        self._side.rhythm.sent(now)

    def _send_command(self, now: float) -> None:
        work, rmcp = self.work, self.link.rmcp
        if now >= work.deadline:
            self.too_late(now)
            return
        # Whoever ends it elsewhere takes it away first, and looks then.
        work.sent = True
        if rmcp is None or not self._side.host.mine(work):
            self._side.drop()
            return
        command = work.command
        self.stage = Stage.COMMAND
        rmcp.request(
            command.netfn, command.number, command.data, command.bridge
        )
        self._side.rhythm.sent(now)
        if not command.repeatable:
            self._side.rhythm.rest()

    def _repeat_request(self, now: float) -> bool:
        """Send the request again; False: the session was given up."""
        link, rhythm = self.link, self._side.rhythm
        if link.proven:
            goes_on = now < rhythm.sent_at + _PATIENCE
        else:
            goes_on = rhythm.tries < _TRIES_OLD
        if link.rmcp is not None and (goes_on or link.dedicated):
            link.rmcp.repeat_request(renumber=rhythm.tries > 1)
            return True
        self._give_up()
        self._log_in(now)
        return False

    def _give_up(self) -> None:
        """The session does not answer: it may have been lost.

        It is closed without waiting, in case that it was only slow: many
        controllers have four sessions in all.
        """
        self._side.host.count("lost_sessions")
        link = self.link
        if link.rmcp is not None:
            link.rmcp.close()
            link.rmcp = None

    def _fail(self, error: type[IpmiError], detail: str, now: float) -> None:
        self._side.end(self, failure(self.work, error, detail, now), now)


__all__ = ["GET_DEVICE_ID", "Exchange", "Side"]
