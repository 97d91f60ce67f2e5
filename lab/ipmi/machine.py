# SPDX-License-Identifier: Apache-2.0
"""What a scripted controller does when it is asked, and how it misbehaves.

A request becomes a completion code and data. No sockets, no sessions; time
only through ``later``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.ipmi.rmcp import Request

CHASSIS, APPLICATION, TRANSPORT = 0x00, 0x06, 0x0C

# Completion codes (IPMI 2.0, table 5-2).
OK, INVALID, BAD_LENGTH, BAD_FIELD = 0x00, 0xC1, 0xC7, 0xCC

_CONTROLS = ("off", "on", "cycle", "reset", "diag", "soft")
_BOOT_FLAGS = 5

Answer = tuple[int, bytes]


@dataclass
class Script:
    """How it behaves; set at any time."""

    cipher_suites: list[int] = field(default_factory=lambda: [17, 3])
    username: str = "admin"
    password: str = "secret"
    #: Kg; empty: the password takes its place.
    key: str = ""
    #: Most that the user may ask for (6.8); 4 is ADMINISTRATOR.
    privilege: int = 4
    #: It refuses more privilege already at login, as most controllers do,
    #: or only at Set Session Privilege Level.
    refuses_at_login: bool = True
    max_sessions: int = 4
    session_timeout: float = 30.0
    #: Seconds until power is what it was switched to.
    late_power: float = 0.0
    #: Whether the reported power state is the other one.
    lies: bool = False
    ignores_shutdown: bool = False
    #: Seconds until a command is answered; carried out at once.
    answers_after: float = 0.0
    #: "netfn.command" in hex, as in "00.02", to the completion code that it
    #: is refused with, to the answer that is sent whatever was asked, and
    #: to how many more answers to it are lost.
    refuses: dict[str, int] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    loses: dict[str, int] = field(default_factory=dict)
    #: Most characters of a datagram that its serial port takes.
    serial_takes: int = 255


class Machine:
    """A server and its controller, without the network."""

    def __init__(
        self,
        script: Script,
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.script = script
        self._later = later
        self.is_on = False
        self.boot_flags = bytes(5)
        #: Requests that were carried out, as "netfn.command data".
        self.journal: list[str] = []

    def answer(self, request: Request) -> Answer:
        """Carry it out. Errors are completion codes."""
        name = f"{request.netfn:02x}.{request.command:02x}"
        if name in self.script.refuses:
            return self.script.refuses[name], b""
        do = self._COMMANDS.get((request.netfn, request.command))
        if do is None and name not in self.script.answers:
            return INVALID, b""
        self.journal.append(f"{name} {request.data.hex()}".strip())
        if name in self.script.answers:
            return OK, bytes.fromhex(self.script.answers[name])
        assert do is not None
        return do(self, request.data)

    def _device_id(self, _: bytes) -> Answer:
        return OK, bytes([0x20, 1, 1, 0, 2, 0xBF, 0, 0, 0, 0, 0])

    def _reset_controller(self, _: bytes) -> Answer:
        return OK, b""

    def _status(self, _: bytes) -> Answer:
        return OK, bytes([self.is_on ^ self.script.lies, 0, 0])

    def _control(self, data: bytes) -> Answer:
        if len(data) != 1:
            return BAD_LENGTH, b""
        if data[0] >= len(_CONTROLS):
            return BAD_FIELD, b""
        verb = _CONTROLS[data[0]]
        if verb in ("on", "cycle", "reset"):
            self._become(True)
        elif verb == "off" or (
            verb == "soft" and not self.script.ignores_shutdown
        ):
            self._become(False)
        return OK, b""

    def _become(self, on: bool) -> None:
        def become() -> None:
            self.is_on = on

        if self.script.late_power:
            self._later(self.script.late_power, become)
        else:
            become()

    def _identify(self, _: bytes) -> Answer:
        return OK, b""

    def _set_boot_option(self, data: bytes) -> Answer:
        if data and data[0] & 0x7F == _BOOT_FLAGS:
            if len(data) != 6:
                return BAD_LENGTH, b""
            self.boot_flags = data[1:]
        return OK, b""

    def _get_boot_option(self, data: bytes) -> Answer:
        if len(data) != 3:
            return BAD_LENGTH, b""
        if data[0] & 0x7F != _BOOT_FLAGS:
            return 0x80, b""
        return OK, bytes([1, _BOOT_FLAGS]) + self.boot_flags

    def _serial_parameter(self, data: bytes) -> Answer:
        """Get SOL Configuration Parameters (26.3): what ipmitool reads."""
        if len(data) != 4:
            return BAD_LENGTH, b""
        values = {1: 1, 2: 0x82, 5: 0x0A, 6: 0x0A, 7: 1}
        if data[1] in values:
            return OK, bytes([0x11, values[data[1]]])
        pairs = {3: b"\x0c\x60", 4: b"\x07\x32", 8: b"\x6f\x02"}
        if data[1] in pairs:
            return OK, b"\x11" + pairs[data[1]]
        return 0x80, b""

    _COMMANDS = {
        (APPLICATION, 0x01): _device_id,
        (APPLICATION, 0x02): _reset_controller,
        (APPLICATION, 0x03): _reset_controller,
        (CHASSIS, 0x01): _status,
        (CHASSIS, 0x02): _control,
        (CHASSIS, 0x04): _identify,
        (CHASSIS, 0x08): _set_boot_option,
        (CHASSIS, 0x09): _get_boot_option,
        (TRANSPORT, 0x22): _serial_parameter,
    }
