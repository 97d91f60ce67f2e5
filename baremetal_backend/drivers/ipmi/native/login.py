# SPDX-License-Identifier: Apache-2.0
"""How a login goes on: cipher suites, repetitions, fresh beginnings.

Pure but for the datagrams that a session sends. It ends with ``LoggedIn`` or
``Rejected``; until when it is worth going on is the controller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import APPLICATION
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    ProtocolViolation,
)
from baremetal_backend.drivers.ipmi.native.events import (
    Advanced,
    Answer,
    Established,
    OtherSuite,
    Rejected,
    Stale,
)
from baremetal_backend.drivers.ipmi.native.session import Rmcp

_SET_SESSION_PRIVILEGE: Final = 0x3B

# Refusals of Set Session Privilege Level (IPMI 2.0, table 22-21), and
# "insufficient privilege".
_PRIVILEGE_CODES: Final = (0x80, 0x81, 0x82, 0xD4)

# Of a RAKP message. Each new beginning takes one more of the controller's
# sessions until it forgets the old one.
_MOST_REPEATS: Final = 2

_LAST_STEP: Final = "session privilege"

# How often it may lose track of us. Duplicates and losses on the way do that;
# somebody who always does it has other keys, or is broken.
_MOST_STALE: Final = 3


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The session may be used."""

    rmcp: Rmcp
    suite: int


class Login:
    """One login. Owner: the pump's thread."""

    def __init__(
        self,
        bmc: Bmc,
        suites: Sequence[int],
        transmit: Callable[[bytes], None],
    ) -> None:
        self._bmc = bmc
        self._suites = list(suites)
        self._transmit = transmit
        self._stale = 0
        self._repeats = 0
        self._presumed = False
        #: Whether it said anything yet.
        self.heard = False
        self.rmcp = Rmcp(bmc, self._suites[0], transmit)

    def begin(self) -> None:
        """Send the first datagram.

        Whoever speaks IPMI 2.0 answers an Open Session Request. The question
        for capabilities, which others begin with, is for those who don't:
        it saves each login one round trip to leave it out.
        """
        self.rmcp.open()

    @property
    def step(self) -> str:
        """Where it is, for people."""
        return self.rmcp.step

    def receive(
        self, datagram: bytes
    ) -> Advanced | LoggedIn | Rejected | None:
        """What a datagram did; None: nothing. Errors: Rubbish."""
        event = self.rmcp.receive(datagram)
        if event is None:
            return None
        self.heard = True
        self._repeats = 0
        match event:
            case Established():
                self._ask_privilege()
                return Advanced()
            case Answer():
                return self._privileged(event)
            case OtherSuite():
                return self._next_suite(event)
            case Stale():
                return self._lost_track(event)
        return event

    def repeat(self) -> None:
        """Nothing came back: send again what may be sent again.

        RAKP messages are repeated twice as they are; then the controller may
        have thrown away what they belong to.
        """
        self._repeats += 1
        step = self.rmcp.step
        if step == "capabilities":
            self.rmcp.repeat()
        elif not self.heard:
            self._fresh()
            self.rmcp.ask_capabilities()
        elif step == "open session":
            self.rmcp.open()
        elif self._repeats > _MOST_REPEATS:
            self._again()
        elif step == "RAKP message 3":
            self.rmcp.presume()
            self._ask_privilege()
            self._presumed = True
        elif step == _LAST_STEP:
            if self._presumed:
                self.rmcp.presume()
            self.rmcp.repeat_request(renumber=self._repeats > 1)
        else:
            self.rmcp.repeat()

    def give_up(self) -> None:
        """Nobody waits for it any more.

        The last step is taken in a session that is open: it is closed, since
        many controllers have four in all.
        """
        if self.rmcp.step == _LAST_STEP:
            self.rmcp.close()

    def _ask_privilege(self) -> None:
        level = bytes((int(self._bmc.privilege),))
        self.rmcp.request(APPLICATION, _SET_SESSION_PRIVILEGE, level, None)

    def _again(self) -> None:
        self._repeats = 0
        self._presumed = False
        self.give_up()
        self._fresh()
        self.rmcp.open()

    def _fresh(self) -> None:
        given_up = self.rmcp
        self.rmcp = Rmcp(self._bmc, self._suites[0], self._transmit)
        self.rmcp.follow(given_up)

    def _next_suite(self, refusal: OtherSuite) -> Advanced | Rejected:
        refused = self._suites.pop(0)
        if self._suites:
            self._again()
            return Advanced()
        self._suites = [refused]
        return Rejected(
            BadCredentials,
            "it speaks none of the cipher suites that were tried; to suite "
            f"{refused} it said: {refusal.detail}",
        )

    def _lost_track(self, event: Stale) -> Advanced | Rejected:
        self._stale += 1
        if self._stale < _MOST_STALE:
            self._again()
            return Advanced()
        return Rejected(
            BadCredentials,
            f"it takes our proof for a wrong one: {event.detail}",
        )

    def _privileged(self, answer: Answer) -> LoggedIn | Rejected:
        if not answer.code:
            return LoggedIn(self.rmcp, self._suites[0])
        self.rmcp.close()
        name = self._bmc.privilege.name
        if answer.code in _PRIVILEGE_CODES:
            return Rejected(
                BadCredentials,
                f"the user may not have privilege {name} "
                f"(0x{answer.code:02x})",
            )
        return Rejected(
            ProtocolViolation,
            f"it does not set privilege {name} (0x{answer.code:02x})",
        )


__all__ = ["LoggedIn", "Login"]
