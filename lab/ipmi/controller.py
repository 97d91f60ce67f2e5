# SPDX-License-Identifier: Apache-2.0
"""Sessions of a scripted controller: login, commands, serial over LAN.

Follows IPMI 2.0, section 13, also where simulators don't: the sequence
number of a session counts, so that a datagram that comes twice is carried
out once; there are as many sessions as it has slots, and an unused one ends
by itself; more privilege than a user has is refused.
"""

from __future__ import annotations

import hmac
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.ipmi import rmcp
from lab.ipmi.faults import (
    IPMI,
    OPEN_REQUEST,
    OPEN_RESPONSE,
    RAKP1,
    RAKP2,
    RAKP3,
    RAKP4,
    SOL,
)
from lab.ipmi.machine import (
    APPLICATION,
    BAD_LENGTH,
    OK,
    Answer,
    Machine,
)
from lab.ipmi.serial_port import SerialPort

# Status codes of RMCP+ (IPMI 2.0, table 13-15).
NO_RESOURCES, INVALID_SESSION = 0x01, 0x02
UNAUTHORIZED_PRIVILEGE, UNAUTHORIZED_NAME = 0x0A, 0x0D
BAD_INTEGRITY_CHECK, NO_SUITE_MATCHES = 0x0F, 0x11

_HALF_OPEN = 5.0
_GUID = bytes(range(16))
_WINDOW = 16

Send = Callable[[bytes, tuple[Any, ...]], None]
Later = Callable[[float, Callable[[], None]], None]


@dataclass
class Session:
    """A slot. ``keys`` is there when the login is through."""

    number: int
    console: bytes
    client: tuple[Any, ...]
    suite: rmcp.Suite
    touched: float
    most_privilege: int = 4
    privilege: int = 2
    role: bytes = b""
    name: bytes = b""
    console_random: bytes = b""
    our_random: bytes = b""
    keys: rmcp.Keys | None = None
    sent: int = 0
    highest: int = 0
    seen: set[int] = field(default_factory=set)
    serial: SerialPort | None = None

    def is_new(self, sequence: int) -> bool:
        """Whether a datagram counts (6.12.13)."""
        if sequence in self.seen or sequence < self.highest - _WINDOW:
            return False
        self.highest = max(self.highest, sequence)
        self.seen = {
            one for one in self.seen if one >= self.highest - _WINDOW
        } | {sequence}
        return True


class Controller:
    """Answers datagrams. Owned by the loop's thread."""

    def __init__(
        self, machine: Machine, port: int, send: Send, later: Later
    ) -> None:
        self.machine = machine
        self._port = port
        self.sessions: dict[int, Session] = {}
        self._send = send
        self._later = later
        self._next_number = int.from_bytes(os.urandom(2)) << 8
        self._deaf_until = 0.0

    @property
    def serial(self) -> SerialPort | None:
        """The one that is activated."""
        for session in self.sessions.values():
            if session.serial is not None:
                return session.serial
        return None

    def forget(self, seconds: float = 0.0) -> None:
        """All sessions are gone, as after a restart that takes so long."""
        for session in self.sessions.values():
            if session.serial:
                session.serial.is_open = False
        self.sessions.clear()
        self._deaf_until = time.monotonic() + seconds

    def received(self, raw: bytes, client: tuple[Any, ...]) -> None:
        """A datagram."""
        if time.monotonic() < self._deaf_until:
            return
        try:
            datagram = rmcp.parse(raw)
            self._handle(datagram, client)
        except (rmcp.Rubbish, IndexError, struct.error):
            # As real ones: no word about what cannot be understood.
            return

    def _handle(
        self, datagram: rmcp.Datagram, client: tuple[Any, ...]
    ) -> None:
        self._expire()
        kind = datagram.payload_type
        if kind == OPEN_REQUEST:
            self._open(datagram.payload, client)
        elif kind == RAKP1:
            self._rakp1(datagram.payload, client)
        elif kind == RAKP3:
            self._rakp3(datagram.payload, client)
        elif datagram.session == 0 and kind in (None, IPMI):
            request = rmcp.Request.parse(datagram.payload)
            code, data = self._outside(request)
            self._send(rmcp.plain(kind, request.answer(code, data)), client)
        elif kind in (IPMI, SOL):
            self._inside(datagram, client)

    def _expire(self) -> None:
        now = time.monotonic()
        for number, session in list(self.sessions.items()):
            most = _HALF_OPEN
            if session.keys:
                most = self.machine.script.session_timeout
            if now - session.touched > most:
                del self.sessions[number]

    # Login (13.17 to 13.24).

    def _open(self, payload: bytes, client: tuple[Any, ...]) -> None:
        tag, console = payload[0], payload[4:8]
        wanted = payload[12], payload[20]

        def refuse(status: int) -> None:
            body = bytes([tag, status, 0, 0]) + console
            self._send(rmcp.plain(OPEN_RESPONSE, body), client)

        suites = [
            rmcp.SUITES[one] for one in self.machine.script.cipher_suites
        ]
        matching = [
            one
            for one in suites
            if (one.authentication, one.integrity) == wanted
        ]
        if not matching:
            return refuse(NO_SUITE_MATCHES)
        if len(self.sessions) >= self.machine.script.max_sessions:
            return refuse(NO_RESOURCES)
        self._next_number += 1
        number = self._next_number
        self.sessions[number] = Session(
            number, console, client, matching[0], time.monotonic()
        )
        body = bytes([tag, 0, 4, 0]) + console + struct.pack("<I", number)
        body += matching[0].algorithms()
        self._send(rmcp.plain(OPEN_RESPONSE, body), client)

    def _rakp1(self, payload: bytes, client: tuple[Any, ...]) -> None:
        tag, number = payload[0], struct.unpack_from("<I", payload, 4)[0]
        session = self.sessions.get(number)
        if session is None or session.keys:
            return self._status(RAKP2, tag, INVALID_SESSION, bytes(4), client)
        script = self.machine.script
        session.role = payload[24:25]
        session.name = payload[28 : 28 + payload[27]]
        if session.console_random != payload[8:24]:
            session.console_random = payload[8:24]
            session.our_random = os.urandom(16)
        if session.name != script.username.encode():
            return self._refuse(RAKP2, tag, UNAUTHORIZED_NAME, session)
        session.most_privilege = session.role[0] & 0x0F
        if session.most_privilege > script.privilege:
            if script.refuses_at_login:
                return self._refuse(
                    RAKP2, tag, UNAUTHORIZED_PRIVILEGE, session
                )
            session.most_privilege = script.privilege
        text = session.console + struct.pack("<I", number)
        text += session.console_random + session.our_random + _GUID
        text += self._who(session)
        body = bytes([tag, 0, 0, 0]) + session.console + session.our_random
        body += _GUID + hmac.digest(
            script.password.encode(), text, session.suite.digest
        )
        self._send(rmcp.plain(RAKP2, body), client)

    def _rakp3(self, payload: bytes, client: tuple[Any, ...]) -> None:
        tag, number = payload[0], struct.unpack_from("<I", payload, 4)[0]
        session = self.sessions.get(number)
        if session is None or not session.our_random:
            return self._status(RAKP4, tag, INVALID_SESSION, bytes(4), client)
        if payload[1]:
            del self.sessions[number]
            return None
        script = self.machine.script
        password = script.password.encode()
        digest = session.suite.digest
        text = session.our_random + session.console + self._who(session)
        if not hmac.compare_digest(
            hmac.digest(password, text, digest), payload[8:]
        ):
            return self._refuse(RAKP4, tag, BAD_INTEGRITY_CHECK, session)
        text = session.console_random + session.our_random
        key = script.key.encode() or password
        key = hmac.digest(key, text + self._who(session), digest)
        if session.keys is None:
            session.keys = rmcp.Keys.of(session.suite, key)
        text = session.console_random + struct.pack("<I", number) + _GUID
        proof = hmac.digest(key, text, digest)[: session.suite.signature]
        body = bytes([tag, 0, 0, 0]) + session.console + proof
        return self._send(rmcp.plain(RAKP4, body), client)

    def _who(self, session: Session) -> bytes:
        return session.role + bytes([len(session.name)]) + session.name

    def _refuse(
        self, kind: int, tag: int, status: int, session: Session
    ) -> None:
        del self.sessions[session.number]
        self._status(kind, tag, status, session.console, session.client)

    def _status(
        self,
        kind: int,
        tag: int,
        status: int,
        console: bytes,
        client: tuple[Any, ...],
    ) -> None:
        body = bytes([tag, status, 0, 0]) + console
        self._send(rmcp.plain(kind, body), client)

    # Commands.

    def _outside(self, request: rmcp.Request) -> Answer:
        """Of the few that need no session."""
        asked = (request.netfn, request.command)
        if asked == (APPLICATION, 0x38):
            # Per-message authentication and so on, and that 2.0 is spoken.
            keyed = 0x20 if self.machine.script.key else 0
            return OK, bytes([1, 0x80, keyed | 0x04, 0x02, 0, 0, 0, 0])
        if asked == (APPLICATION, 0x54):
            suites = self.machine.script.cipher_suites
            records = b"".join(rmcp.SUITES[one].record() for one in suites)
            first = (request.data[2] & 0x3F) * 16
            return OK, b"\x01" + records[first : first + 16]
        if asked == (APPLICATION, 0x37):
            return OK, _GUID
        return 0xD4, b""

    def _inside(
        self, datagram: rmcp.Datagram, client: tuple[Any, ...]
    ) -> None:
        session = self.sessions.get(datagram.session)
        if session is None or session.keys is None or not datagram.protected:
            return
        payload = rmcp.opened(datagram, session.keys)
        if not session.is_new(datagram.sequence):
            return
        session.touched = time.monotonic()
        session.client = client
        if datagram.payload_type == SOL:
            if session.serial:
                session.serial.received(payload)
            return
        request = rmcp.Request.parse(payload)
        code, data = self._of_session(session, request)
        self._answer(session, request, request.answer(code, data))

    def _answer(
        self, session: Session, request: rmcp.Request, message: bytes
    ) -> None:
        script = self.machine.script
        name = f"{request.netfn:02x}.{request.command:02x}"
        if script.loses.get(name, 0) > 0:
            script.loses[name] -= 1
            return
        if request.netfn != APPLICATION and script.answers_after:
            self._later(
                script.answers_after,
                lambda: self._transmit(session, IPMI, message),
            )
        else:
            self._transmit(session, IPMI, message)

    def _transmit(self, session: Session, kind: int, payload: bytes) -> None:
        assert session.keys is not None
        session.sent += 1
        console = struct.unpack("<I", session.console)[0]
        self._send(
            rmcp.sealed(kind, console, session.sent, payload, session.keys),
            session.client,
        )

    def _of_session(self, session: Session, request: rmcp.Request) -> Answer:
        if request.netfn == APPLICATION:
            if request.command == 0x3B:
                return self._set_privilege(session, request.data)
            if request.command == 0x3C:
                return self._close(request.data)
            if request.command in (0x48, 0x49, 0x4A, 0x4B):
                self.machine.journal.append(f"06.{request.command:02x}")
                return self._payload(session, request)
            if request.command in (0x38, 0x54, 0x37):
                return self._outside(request)
        if session.privilege < 3 and (request.netfn, request.command) == (
            0x00,
            0x02,
        ):
            return 0xD4, b""
        return self.machine.answer(request)

    def _set_privilege(self, session: Session, data: bytes) -> Answer:
        wanted = data[0] & 0x0F
        if wanted > session.most_privilege:
            return 0x81, b""
        session.privilege = wanted or session.privilege
        return OK, bytes([session.privilege])

    def _close(self, data: bytes) -> Answer:
        if len(data) < 4:
            return BAD_LENGTH, b""
        number = struct.unpack_from("<I", data)[0]
        closed = self.sessions.pop(number, None)
        if closed is None:
            return 0x87, b""
        if closed.serial:
            closed.serial.is_open = False
        return OK, b""

    def _payload(self, session: Session, request: rmcp.Request) -> Answer:
        """Activation of serial over LAN (24.1 to 24.5)."""
        holder = next(
            (one for one in self.sessions.values() if one.serial), None
        )
        if request.command == 0x48:
            if holder is not None:
                return 0x80, b""
            session.serial = SerialPort(
                lambda payload: self._transmit(session, SOL, payload),
                self._later,
                lambda: self.machine.script.serial_takes,
            )
            sizes = struct.pack("<HHHH", 255, 255, self._port, 0xFFFF)
            return OK, bytes(4) + sizes
        if request.command == 0x49:
            if holder is None or holder.serial is None:
                return 0x80, b""
            holder.serial.is_open = False
            holder.serial = None
            return OK, b""
        active = holder.number if holder else 0
        if request.command == 0x4A:
            return OK, bytes([1, int(holder is not None), 0])
        return OK, struct.pack("<I", active) + bytes(8)
