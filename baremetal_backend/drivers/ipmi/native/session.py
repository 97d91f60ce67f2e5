# SPDX-License-Identifier: Apache-2.0
"""One RMCP+ session as a protocol: datagrams in, datagrams and events out.

Framing, RAKP and cryptography are pyghmi's; its sockets, threads, registries,
timers and retries are not used. This is the one module that reaches into
pyghmi's private parts, and ``fit`` says whether they are as it knows them.

It knows no clock and no network, never waits, and keeps nothing outside of the
object. Why each method is replaced:

* ``__new__``, ``__init__``: pyghmi's find or make a session in a registry of
  the process, open a socket, start a thread and log in.
* ``send_payload``: pyghmi's keeps a packet for its own timers and holds a lock
  of the process while it sends. In a session that is open, and for what is
  received in it (``_handle_ipmi2_packet``), ``sealing`` does the same for a
  fraction of the time.
* ``_xmit_packet``: pyghmi's resolves names and sends, blocking.
* ``_parse_payload``: pyghmi's looks after its timers, too.
* ``_req_priv_level``: pyghmi's waits for the answer, and all logins with it.
* ``_got_channel_auth_cap``, ``_got_rmcp_response``, ``_got_rakp2``,
  ``_got_rakp4``, ``onlogon``: pyghmi's decide about retries, and have errors
  as texts; ours are events. What is good goes on to pyghmi's.
* ``_mark_broken``, ``logout``, ``raw_command``, ``_keepalive``, ``_timedout``:
  they would wait, or use what is not there; nothing of ours calls them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, NoReturn

from pyghmi.ipmi.private import constants
from pyghmi.ipmi.private import session as pyghmi_session

from baremetal_backend.drivers.ipmi.bmc import Bmc, Bridge
from baremetal_backend.drivers.ipmi.command import APPLICATION
from baremetal_backend.drivers.ipmi.errors import BadCredentials
from baremetal_backend.drivers.ipmi.native import refusals
from baremetal_backend.drivers.ipmi.native.events import (
    Advanced,
    Answer,
    Established,
    Event,
    OtherSuite,
    Rejected,
    Rubbish,
)
from baremetal_backend.drivers.ipmi.native.sealing import Sealing

#: Cipher suite to pyghmi's word for its hash, and the three algorithms
#: (authentication, integrity, confidentiality; IPMI 2.0, table 22-20).
SUITES: Final = {3: (1, (1, 1, 1)), 17: (256, (3, 4, 1))}

_CLOSE_SESSION: Final = 0x3C

# Messages of a login are numbered with one octet; three follow the first.
_HIGHEST_TAG: Final = 250

#: What is built on.
PYGHMI: Final[type] = pyghmi_session.Session


class Rmcp(pyghmi_session.Session):
    """Owner: the pump's thread. ``transmit`` sends one datagram at once."""

    sequencenumber: int
    remseqnumber: int | None
    pendingsessionid: int
    rmcptag: int
    sessionid: int

    def __new__(cls, *_args: Any, **_named: Any) -> Rmcp:
        """Make an object of its own: no registry, no name lookup."""
        made: Rmcp = object.__new__(cls)
        return made

    def __init__(
        self, bmc: Bmc, suite: int, transmit: Callable[[bytes], None]
    ) -> None:
        self.transmit = transmit
        self._event: Event | None = None
        self._sealing: Sealing | None = None
        self._outbox: list[bytes] = []
        self._request: tuple[int, int, bytes, Bridge | None] | None = None
        self._payload: bytearray = bytearray()
        #: Whether the last datagram was from whoever has the keys.
        self.authentic = False
        # What pyghmi's methods look at.
        self.bmc = bmc.address
        self.port = bmc.port
        self.userid = bmc.username
        self.password = bmc.password.value
        self.kgo = bmc.key.value if bmc.key is not None else None
        self.kg = self.kgo if self.kgo else self.password
        self.privlevel = int(bmc.privilege)
        self.autopriv = False
        self.nameonly = 16
        self.servermode = False
        self.lastpayload = None
        self.last_payload_type = None
        self.pendingpayloads = ()
        self.request_entry: list[tuple[int, int, int]] = []
        self._customkeepalives = None
        self.logontries = 0
        self.maxtimeout = 0
        self._initsession()
        #: Called with the payload of each serial over LAN packet.
        self.sol_handler: Callable[[bytearray], None] | None = None
        self.attemptedhash, self._algorithms = SUITES[suite]
        # A late answer to another login must not fit this one.
        self.localsid = random.randrange(1, 0xFFFFFF00)  # noqa: S311
        self.rmcptag = random.randrange(1, 128)  # noqa: S311
        self.seqlun = random.randrange(64)  # noqa: S311

    def follow(self, other: Rmcp) -> None:
        """Begin where another one was given up.

        A second copy of an answer to that one must not fit this one.
        """
        self.rmcptag = other.rmcptag

    @property
    def session_id(self) -> int:
        """What the controller puts into its packets of this session."""
        return int(self.localsid)

    @property
    def _our_number(self) -> bytes:
        return self.session_id.to_bytes(4, "little")

    # -- login ---------------------------------------------------------------

    def ask_capabilities(self) -> None:
        """Begin with the question whether IPMI 2.0 is spoken (22.13)."""
        self._get_channel_auth_cap()

    def open(self) -> None:
        """Begin with, or again from, the Open Session Request (13.17)."""
        if self.rmcptag > _HIGHEST_TAG:
            self.rmcptag = 0
        self.ipmiversion = 2.0
        self.request_entry.clear()
        self._open_rmcpplus_request()

    @property
    def step(self) -> str:
        """Of the login, for people."""
        return _STEPS.get(self.sessioncontext, "capabilities")

    def repeat(self) -> None:
        """Send the last datagram of the login as it was."""
        self.transmit(bytes(self.netpacket))

    def presume(self) -> None:
        """Send RAKP message 3 again, and go on as if it had been answered.

        A controller that got it has an open session, and many don't answer
        it twice. Whoever answers what follows has the same keys: this proves
        what RAKP message 4 would have proven.
        """
        self.repeat()
        if self._sealing is None:
            self.sessionid = self.pendingsessionid
            self.sequencenumber = 1
            self.sessioncontext = "ESTABLISHED"
            self._seal()

    # -- commands ------------------------------------------------------------

    def request(
        self, netfn: int, number: int, data: bytes, bridge: Bridge | None
    ) -> None:
        """Send a request; its answer is an event."""
        self.request_entry.clear()
        self.ipmicallback = self._answered
        self._request = (netfn, number, data, bridge)
        self._send_request()

    def close(self) -> None:
        """Ask the controller to forget the session (22.19)."""
        number = self.sessionid.to_bytes(4, "little")
        self.request(APPLICATION, _CLOSE_SESSION, number, None)

    def repeat_request(self, renumber: bool) -> None:
        """Send it again in a new packet, as the same request or another.

        A controller takes a request with the number of the last one for a
        repetition (IPMI 2.0, 6.13.2), and some then never answer it. An
        answer to any of them is one to all of them.
        """
        if renumber:
            self.seqlun = (self.seqlun + 1) & 0x3F
            self._send_request()
        else:
            self.send_payload(self._payload, 0)

    def _send_request(self) -> None:
        if self._request is None:
            return
        netfn, number, data, bridge = self._request
        bridged = bridge and {
            "addr": bridge.address,
            "channel": bridge.channel,
        }
        self._payload = self._make_ipmi_payload(
            netfn, number, bridged, bytearray(data)
        )
        self.send_payload(self._payload, 0)

    # -- datagrams -----------------------------------------------------------

    def receive(self, datagram: bytes) -> Event | None:
        """What a datagram means; None: nothing. Errors: Rubbish."""
        self._event = None
        self.authentic = False
        if len(datagram) < 16 or datagram[0] != 6 or datagram[3] & 0x1F != 7:
            raise Rubbish("not an IPMI message")
        packet = bytearray(datagram)
        try:
            if self._sealing is not None:
                self._unseal(datagram)
            elif packet[4] == 6:
                self._handle_ipmi2_packet(packet)
            elif packet[4] == 0 and self.sessioncontext is None:
                self._parse_ipmi_payload(_whole(packet))
        except Exception as error:
            raise Rubbish(f"{type(error).__name__}: {error}") from error
        return self._event

    def send_payload(  # noqa: PLR0917 - as pyghmi's
        self,
        payload: Any = (),
        payload_type: int | None = None,
        retry: bool = False,
        delay_xmit: float | None = None,
        needskeepalive: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Send a payload now. It is repeated by whoever wants it to be."""
        if self._sealing is not None:
            self.sequencenumber = self.sequencenumber % 0xFFFFFFFF + 1
            self.transmit(
                self._sealing.seal(
                    payload_type or 0,
                    self.sessionid,
                    self.sequencenumber,
                    payload,
                )
            )
            return
        super().send_payload(payload, payload_type, retry=False)
        outbox, self._outbox = self._outbox, []
        for datagram in outbox:
            self.transmit(datagram)

    def _unseal(self, datagram: bytes) -> None:
        if self._sealing is None or datagram[4] != 6:
            return
        if datagram[6:10] != self._our_number:
            return
        unsealed = self._sealing.unseal(datagram)
        if unsealed is None:
            return
        self.authentic = True
        sequence, payload = unsealed
        # What was overtaken is old. (Some controllers always say the same
        # number.)
        last = self.remseqnumber
        if last is not None and sequence < last and last != 0xFFFFFFFF:
            return
        self.remseqnumber = sequence
        kind = datagram[5] & 0x3F
        if kind == 0:
            self._parse_ipmi_payload(bytearray(payload))
        elif kind == 1 and self.sol_handler is not None:
            self.sol_handler(bytearray(payload))

    def _xmit_packet(
        self,
        retry: bool = True,
        delay_xmit: float | None = None,
        timeout: float | None = None,
    ) -> None:
        if self.sequencenumber:
            self.sequencenumber += 1
        self._outbox.append(bytes(self.netpacket))

    # -- events --------------------------------------------------------------

    def _parse_payload(self, payload: bytearray) -> None:
        """Take apart a message that fits the request (figure 13-4)."""
        self.seqlun = (self.seqlun + 1) & 0x3F
        self.ipmicallback(
            {
                "netfn": payload[1] >> 2,
                "command": payload[5],
                "code": payload[6],
                "data": payload[7:-1],
            }
        )

    def _answered(self, response: dict[str, Any]) -> None:
        self.request_entry.clear()
        self._event = Answer(response["code"], bytes(response["data"]))

    def onlogon(self, parameter: dict[str, Any]) -> None:
        """Pyghmi found that the two sides have different keys."""
        if self.sessioncontext == "FAILED":
            detail = "wrong password"
            self._refuse_login()
        else:
            detail = "it can't prove that it has the same keys (wrong Kg?)"
        self._event = Rejected(BadCredentials, detail)

    def _refuse_login(self) -> None:
        """Tell it that its proof is wrong: it frees the session (13.22)."""
        number = self.pendingsessionid.to_bytes(4, "little")
        self.send_payload(
            bytes((self.rmcptag + 1, refusals.BAD_INTEGRITY, 0, 0)) + number,
            constants.payload_types["rakp3"],
        )

    def _got_channel_auth_cap(self, response: dict[str, Any]) -> None:
        code, data = response["code"], response["data"]
        if not refusals.speaks_ipmi_2(code, data):
            self._event = refusals.of_capabilities(code, _meaning(code))
            return
        self.open()
        self._event = Advanced()

    def _got_rmcp_response(self, data: bytearray) -> None:
        if not self._is_for_us("OPENSESSION", data):
            return
        if data[1]:
            self._event = refusals.of_open_session(data[1], _status(data[1]))
            return
        chosen = tuple(data[at] for at in (16, 24, 32))
        if chosen != self._algorithms:
            self._event = OtherSuite(
                f"answered with the algorithms {chosen} of another suite"
            )
            return
        super()._got_rmcp_response(data)
        self._advanced("EXPECTINGRAKP2")

    def _got_rakp2(self, data: bytearray) -> None:
        if not self._is_for_us("EXPECTINGRAKP2", data):
            return
        if data[1]:
            self._event = self._refused_proof(data[1])
            return
        super()._got_rakp2(data)
        self._advanced("EXPECTINGRAKP4")

    def _got_rakp4(self, data: bytearray) -> None:
        if not self._is_for_us("EXPECTINGRAKP4", data):
            return
        if data[1]:
            self._event = self._refused_proof(data[1])
            return
        super()._got_rakp4(data)

    def _req_priv_level(self) -> None:
        self._seal()
        self._event = Established()

    def _seal(self) -> None:
        self._sealing = Sealing(
            self.aeskey, self.k1, self.currhashlib().name, self.currhashlen
        )

    def _is_for_us(self, context: str, data: bytearray) -> bool:
        """Whether it answers the present step. Errors: ValueError.

        Nothing is proven yet: whoever sends a status that does not exist, or
        names another session, is not believed. With an error some leave the
        session out, or say 0.
        """
        if self.sessioncontext != context or data[0] != self.rmcptag:
            return False
        if data[1] and data[1] not in constants.rmcp_codes:
            raise ValueError(f"status 0x{data[1]:02x} of a login")
        named = bytes(data[4:8])
        return named == self._our_number or (
            bool(data[1]) and named in (b"", bytes(4))
        )

    def _advanced(self, context: str) -> None:
        if self._event is None and self.sessioncontext == context:
            self._event = Advanced()

    def _refused_proof(self, status: int) -> Event:
        return refusals.of_proof(status, _status(status), self.privlevel)

    # -- what must not be used -----------------------------------------------

    def _unused(self, *_args: Any, **_named: Any) -> NoReturn:
        raise NotImplementedError("a session here is a protocol only")

    login = _unused
    logout = _unused
    raw_command = _unused
    _keepalive = _unused
    _mark_broken = _unused
    _relog = _unused
    _timedout = _unused


_STEPS: Final = {
    "OPENSESSION": "open session",
    "EXPECTINGRAKP2": "RAKP message 1",
    "EXPECTINGRAKP4": "RAKP message 3",
    "ESTABLISHED": "session privilege",
}


def _whole(packet: bytearray) -> bytearray:
    """The message outside of a session (13.8). Errors: ValueError.

    Nothing but its checksums says that it is not cut off.
    """
    message = packet[14 : 14 + packet[13]]
    if (
        len(message) != packet[13]
        or sum(message[:3]) & 0xFF
        or sum(message[3:]) & 0xFF
    ):
        raise ValueError("a message is cut off")
    return message


def _status(status: int) -> str:
    text = constants.rmcp_codes.get(status, "unknown status")
    return f"{text} (0x{status:02x})"


def _meaning(code: int) -> str:
    text = constants.ipmi_completion_codes.get(code, "unknown code")
    return f"{text} (0x{code:02x})"


def refusal_text(netfn: int, number: int, code: int) -> str:
    """What a completion code means (IPMI 2.0, table 5-2)."""
    own = constants.command_completion_codes.get((netfn + 1, number), {})
    text = own.get(code) or constants.ipmi_completion_codes.get(code)
    return text or "a completion code that only its maker knows"


__all__ = ["PYGHMI", "SUITES", "Rmcp", "Rubbish", "refusal_text"]
