# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN in a session: activated, kept alive, deactivated.

Steps of the opening (IPMI 2.0, section 15.4): log in, Activate Payload. A
controller whose line is active for somebody else is asked whose it is: an
activation whose answer got lost is our own. While the line is silent, the
controller is asked now and then whether it still is ours, since a controller
that restarted says nothing by itself.

It guarantees that the future ends, that ``closed`` is called exactly once if
the future was a line, and that nothing is received after that. It never waits:
all of it happens in the pump's thread, but for what is told when that thread
is given up.

It must not know datagrams, nor who reads.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import (
    APPLICATION,
    Command,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Refused,
    Taken,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.serial_session import (
    Handle,
    Pump,
    Session,
)
from baremetal_backend.drivers.ipmi.native.sol_stream import (
    NOT_OURS,
    Effects,
    Stream,
    characters,
)
from baremetal_backend.drivers.ipmi.ports import SerialOverLan

# Payload type 1, instance 1 (table 13-16), and then: encrypted, authenticated
# (table 24-2).
ACTIVATE: Final = Command(
    "Activate Payload", APPLICATION, 0x48, b"\x01\x01\xc0\x00\x00\x00"
)
DEACTIVATE: Final = Command(
    "Deactivate Payload", APPLICATION, 0x49, b"\x01\x01\x00\x00\x00\x00"
)
WHOSE: Final = Command(
    "Get Payload Instance Info", APPLICATION, 0x4B, b"\x01\x01"
)

# Completion code of ``ACTIVATE``: active for somebody already.
_ACTIVE: Final = 0x80

# Seconds of silence after which the controller is asked for a sign of life,
# well before it drops a session (30 s), and for how long it may think.
_QUIET: Final = 5.0
_SIGN_OF_LIFE: Final = 6.0

# Seconds for a farewell. A controller that does not answer forgets us anyway.
_FAREWELL: Final = 2.0

_NAME: Final = "Serial over LAN"


#: Lines that were lost while they were ours: address and port of the
#: controller to what it calls their sessions. Shared by the lines of a client.
Lost = dict[tuple[str, int], tuple[bytes, ...]]


def open_line(
    pump: Pump,
    bmc: Bmc,
    received: Callable[[bytes], None],
    closed: Callable[[IpmiError | None], None],
    seconds: float,
    *,
    force: bool = False,
    lost: Lost | None = None,
) -> Future[SerialOverLan]:
    """See ``ports.ConsoleClient.open_console``. For any thread."""
    line = _Line(
        pump,
        bmc,
        received,
        closed,
        seconds,
        force=force,
        lost={} if lost is None else lost,
    )
    pump.call_soon(line.begin, line.lost)
    return line.future


class _Line:
    """A line from its opening to its end. Owner: the pump's thread.

    ``send``, ``unsent``, ``close`` and ``lost`` are called in any thread.
    """

    def __init__(
        self,
        pump: Pump,
        bmc: Bmc,
        received: Callable[[bytes], None],
        closed: Callable[[IpmiError | None], None],
        seconds: float,
        *,
        force: bool,
        lost: Lost,
    ) -> None:
        self.future: Future[SerialOverLan] = Future()
        self._pump = pump
        self._bmc = bmc
        self._received = received
        self._closed = closed
        self._force = force
        self._lost_lines = lost
        self._place = (bmc.address, bmc.port)
        # What the controller may call our session.
        self._words: tuple[bytes, ...] = ()
        self._began = pump.now()
        self._deadline = self._began + seconds
        self._session: Session | None = None
        self._stream = Stream()
        self._timers: dict[str, Handle] = {}
        self._heard = self._began
        # What the controller says whose line it is, as long as it is ours.
        self._owner: bytes | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._ended = False
        # Typed, and on its way to the pump's thread.
        self._pending = 0

    # -- opening --------------------------------------------------------------

    def begin(self) -> None:
        """Log in."""
        self._pump.open_session(
            self._bmc, self._ready, self.lost, self._left()
        )

    def _ready(self, session: Session) -> None:
        if self._ended:
            session.close()
            return
        self._session = session
        self._words = _words(session)
        session.serial = self._arrived
        self._activate()

    def _activate(self) -> None:
        self._ask(ACTIVATE, self._left(), self._activated)

    def _activated(self, outcome: Response | IpmiError) -> None:
        if isinstance(outcome, Response):
            self._open(characters(outcome.data[4:6]))
        elif isinstance(outcome, Refused) and outcome.code == _ACTIVE:
            self._ask(WHOSE, self._left(), self._is_whose)
        else:
            self._end(outcome)

    def _is_whose(self, outcome: Response | IpmiError) -> None:
        """The line is active already: for us, when an answer got lost?

        Or for a session of ours that we lost, and the controller did not.
        """
        owner = outcome.data[:4] if isinstance(outcome, Response) else b""
        left_behind = self._lost_lines.pop(self._place, ())
        if owner in self._words:
            self._open(characters(b""))
        elif self._force or owner in left_behind:
            self._force = False
            self._ask(
                DEACTIVATE, self._left(), lambda outcome: self._activate()
            )
        else:
            self._end(self._error(Taken, "it is active for somebody else"))

    def _open(self, largest: int) -> None:
        self._lost_lines.pop(self._place, None)
        first = random.randint(1, 15)  # noqa: S311
        self._stream = Stream(largest, first)
        self._heard = self._pump.now()
        with self._lock:
            if self._ended:
                return
            self.future.set_running_or_notify_cancel()
        self._carry_out(self._stream.greet())
        self._look_for_life()
        self.future.set_result(self)

    # -- an open line ---------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See ``ports.SerialOverLan``, here and below."""
        with self._lock:
            if self._ended:
                return
            self._pending += len(data)
        self._pump.call_soon(lambda: self._type(data))

    @property
    def unsent(self) -> int:
        """Typed bytes that the controller has not accepted."""
        return 0 if self._ended else self._pending + self._stream.unsent

    def close(self) -> None:
        """Deactivate, and log out."""
        self._pump.call_soon(self._say_farewell)

    def _type(self, data: bytes) -> None:
        with self._lock:
            self._pending -= len(data)
        self._carry_out(self._stream.type(data, self._pump.now()))

    def _arrived(self, payload: bytes) -> None:
        self._heard = now = self._pump.now()
        self._carry_out(self._stream.arrived(payload, now))

    def _look(self) -> None:
        self._carry_out(self._stream.look(self._pump.now()))

    def _carry_out(self, effects: Effects) -> None:
        session = self._session
        if session is None or self._ended or self._closing:
            return
        for packet in effects.send:
            session.send_serial(packet.pack())
        if effects.received:
            self._received(effects.received)
        if effects.ended is not None:
            error = Taken if effects.ended == NOT_OURS else Unreachable
            self._end(self._error(error, effects.ended))
            return
        due = self._stream.due
        self._cancel("stream")
        if due is not None:
            self._later("stream", due - self._pump.now(), self._look)

    # -- signs of life --------------------------------------------------------

    def _look_for_life(self) -> None:
        """Ask at once for the first time: later it can be compared."""
        silence = self._pump.now() - self._heard
        if self._owner is not None and silence < _QUIET:
            self._later("life", _QUIET - silence, self._look_for_life)
            return
        self._ask(WHOSE, _SIGN_OF_LIFE, self._lives)

    def _lives(self, outcome: Response | IpmiError) -> None:
        if self._closing:
            return
        if isinstance(outcome, IpmiError) and not isinstance(outcome, Refused):
            self._end(outcome)
            return
        self._heard = self._pump.now()
        if isinstance(outcome, Response):
            # Some answer nonsense: what counts is that it stays the same.
            owner = outcome.data[:4]
            if self._owner is None:
                self._owner = owner
            elif owner != self._owner:
                self._end(self._error(Taken, NOT_OURS))
                return
        self._later("life", _QUIET, self._look_for_life)

    # -- the end --------------------------------------------------------------

    def _say_farewell(self) -> None:
        if self._closing or self._ended:
            return
        self._closing = True
        self._cancel(*self._timers)
        self._ask(DEACTIVATE, _FAREWELL, lambda outcome: self._end(None))

    def lost(self, error: IpmiError) -> None:
        """The session is no more."""
        self._session = None
        self._end(None if self._closing else error)

    def _end(self, error: IpmiError | None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            was_open = self.future.running() or self.future.done()
        session, self._session = self._session, None
        if session is not None:
            session.close()
        self._cancel(*self._timers)
        if was_open:
            if error is not None:
                self._lost_lines[self._place] = self._words
            self._closed(error)
        else:
            self.future.set_exception(
                error or self._error(Unreachable, "it was closed")
            )

    def _error(self, kind: type[IpmiError], detail: str) -> IpmiError:
        took = self._pump.now() - self._began
        return kind(self._bmc.where, _NAME, took, detail)

    # -- the pump -------------------------------------------------------------

    def _left(self) -> float:
        return max(0.1, self._deadline - self._pump.now())

    def _ask(
        self,
        command: Command,
        seconds: float,
        done: Callable[[Response | IpmiError], None],
    ) -> None:
        if self._session is None:
            return

        def unless_ended(outcome: Response | IpmiError) -> None:
            if not self._ended:
                done(outcome)

        self._session.ask(command, seconds, unless_ended)

    def _later(
        self, name: str, seconds: float, function: Callable[[], None]
    ) -> None:
        self._cancel(name)
        self._timers[name] = self._pump.call_later(max(0.0, seconds), function)

    def _cancel(self, *names: str) -> None:
        for name in names:
            handle = self._timers.pop(name, None)
            if handle is not None:
                handle.cancel()


def _words(session: Session) -> tuple[bytes, ...]:
    """How a controller may call the session that a line belongs to."""
    return tuple(
        number.to_bytes(4, "little") for number in session.numbers if number
    )


__all__ = ["ACTIVATE", "DEACTIVATE", "WHOSE", "Lost", "open_line"]
