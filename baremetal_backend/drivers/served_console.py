# SPDX-License-Identifier: Apache-2.0
"""One node's console: a reader at one end, a line to the node at the other.

There is one reader at a time; whoever comes second is told so. The line is
opened when a reader comes and closed when the reader leaves. A line that is
lost is opened again, with growing pauses, while the reader stays connected.

Nothing here waits, and nothing grows without bound: a reader who is too slow
misses bytes and is told how many, and a line that is too slow is not typed on
until it has room. What the reader is told names no addresses: readers may be
tenants. Why a line was lost is in the log.

It must not know how a line is opened, nor where readers connect.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

LOG = logging.getLogger(__name__)

# Bytes that wait for a slow reader.
_MOST_UNREAD = 262144

# Typed bytes that wait for the line: for one that is slow, nothing more is
# read from the reader; for one that is not open, what is beyond is dropped.
_MOST_UNSENT = 4096

# Seconds between two looks whether a slow line has room again.
_LOOK_FOR_ROOM = 0.1

# Seconds before a lost line is opened again: doubled up to the second.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

# A line that held for so many seconds was a good one: pauses begin anew.
_GOOD = 60.0

# Seconds within which a line that was closed says that it is, and within
# which one is opened. Whoever opens lines has deadlines of their own.
_CLOSING = 5.0
_OPENING = 120.0

# Seconds that a second reader waits for the first to be gone.
_HANGING_UP = 0.2

_TAKEN = "This console has a reader already."
_LOST = "The console is interrupted."
_BACK = "The console is back."
_ENDED = "The console was switched off."
_IDLE = "Nothing was read or written for {:.0f} s."
_LEFT_OUT = "{} bytes are left out here."


class Line(Protocol):
    """A node's serial line, as far as readers are concerned."""

    def send(self, data: bytes) -> None:
        """Type this. Never waits; ignored after the end."""
        ...

    @property
    def unsent(self) -> int:
        """Bytes that are not typed yet."""
        ...

    def close(self) -> None:
        """Never waits; ``closed`` is called once that is done."""
        ...


#: Opens a line: (received, closed) -> future of the line. Both are called in
#: any thread; ``closed`` once, with the reason. Errors: any, soon. An error's
#: ``pause`` says for how many seconds at least to leave the node alone.
Opener = Callable[
    [Callable[[bytes], None], Callable[[Exception | None], None]],
    Future[Any],
]


class Handle(Protocol):
    """A thing that will happen."""

    def cancel(self) -> None:
        """Or not."""
        ...


class Loop(Protocol):
    """What it needs of an event loop. asyncio's loops are such."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any
    ) -> Handle:
        """Call in ``delay`` seconds."""
        ...

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any
    ) -> Any:
        """Call soon; may be called in any thread."""
        ...


@dataclass(eq=False, slots=True)
class _Attempt:
    """To have a line: from its opening to its end."""

    line: Line | None = None
    #: Nobody wants it any more.
    abandoned: bool = False
    #: When it was open.
    since: float = 0.0


class ServedConsole:
    """All methods are called in the loop's thread."""

    def __init__(
        self,
        name: str,
        loop: Loop,
        open_line: Opener,
        timeout: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``timeout``: seconds without a byte; 0: no limit."""
        self._name = name
        self._loop = loop
        self._open_line = open_line
        self._timeout = timeout
        self._chance = chance
        self._reader: asyncio.Transport | None = None
        self._attempt: _Attempt | None = None
        self._timers: dict[str, Handle] = {}
        self._ended = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        """As it is for a new reader."""
        self._pause = _FIRST_PAUSE
        self._interrupted = False
        self._held = b""
        self._left_out = 0
        self._last = self._loop.time()

    @property
    def has_reader(self) -> bool:
        """Whether somebody reads it."""
        return self._reader is not None

    @property
    def is_open(self) -> bool:
        """Whether there is a line to the node."""
        return self._attempt is not None and self._attempt.line is not None

    # -- the reader -----------------------------------------------------------

    def arrived(self, reader: asyncio.Transport) -> None:
        """Somebody connected."""
        if self._reader is None or self._ended:
            self._admit(reader)
            return
        # Whoever hangs up and calls again may be heard in the other order.
        reader.pause_reading()
        self._loop.call_later(_HANGING_UP, self._admit, reader)

    def _admit(self, reader: asyncio.Transport) -> None:
        if reader.is_closing():
            return
        if self._reader is not None or self._ended:
            reader.write(_line(_ENDED if self._ended else _TAKEN))
            reader.close()
            return
        reader.resume_reading()
        LOG.info("Node %s: its console has a reader.", self._name)
        self._reader = reader
        self._begin_anew()
        if self._timeout:
            self._later("idle", self._timeout, self._look_for_life)
        self._open()

    def typed(self, reader: asyncio.Transport, data: bytes) -> None:
        """The reader typed."""
        if reader is not self._reader:
            return
        self._last = self._loop.time()
        attempt = self._attempt
        if attempt is None or attempt.line is None or attempt.abandoned:
            if not self._interrupted:
                self._held = (self._held + data)[:_MOST_UNSENT]
            return
        attempt.line.send(data)
        if attempt.line.unsent > _MOST_UNSENT:
            reader.pause_reading()
            self._later("room", _LOOK_FOR_ROOM, self._look_for_room)

    def left(self, reader: asyncio.Transport) -> None:
        """The connection ended."""
        if reader is not self._reader:
            return
        LOG.info("Node %s: its console's reader left.", self._name)
        self._reader = None
        self._cancel("idle", "room", "again")
        self._abandon()

    def end(self) -> None:
        """No more readers, and no line."""
        self._ended = True
        self._cancel("idle", "room", "again")
        self._abandon()
        if self._reader is not None:
            self._say(_ENDED)
            self._reader.close()

    def _look_for_room(self) -> None:
        attempt = self._attempt
        if attempt and attempt.line and attempt.line.unsent > _MOST_UNSENT:
            self._later("room", _LOOK_FOR_ROOM, self._look_for_room)
        elif self._reader is not None:
            self._reader.resume_reading()

    def _look_for_life(self) -> None:
        rest = self._last + self._timeout - self._loop.time()
        if rest > 0:
            self._later("idle", rest, self._look_for_life)
        elif self._reader is not None:
            self._say(_IDLE.format(self._timeout))
            self._reader.close()

    def _say(self, sentence: str) -> None:
        if self._reader is not None:
            self._reader.write(_line(sentence))

    # -- the line -------------------------------------------------------------

    def _open(self) -> None:
        if self._attempt is not None:
            # The line of the reader before is still being closed; its end
            # opens the next one.
            return
        self._attempt = attempt = _Attempt()
        late = TimeoutError(f"it was not open after {_OPENING:.0f} s")
        self._later("opening", _OPENING, self._closed, attempt, late)
        try:
            future = self._open_line(
                lambda data: self._post(self._received, attempt, data),
                lambda error: self._post(self._closed, attempt, error),
            )
        except Exception as error:
            self._closed(attempt, error)
            return
        future.add_done_callback(
            lambda done: self._post(self._opened, attempt, done)
        )

    def _post(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            LOG.debug("Node %s: its console is gone already.", self._name)

    def _opened(self, attempt: _Attempt, future: Future[Any]) -> None:
        error = _error_of(future)
        if error is not None:
            self._closed(attempt, error)
            return
        attempt.line = line = future.result()
        attempt.since = self._loop.time()
        if attempt.abandoned or attempt is not self._attempt:
            line.close()
            return
        self._cancel("opening")
        if self._interrupted:
            LOG.info("Node %s: its console is back.", self._name)
            self._interrupted = False
            self._say(_BACK)
        held, self._held = self._held, b""
        if held:
            line.send(held)

    def _received(self, attempt: _Attempt, data: bytes) -> None:
        reader = self._reader
        if reader is None or attempt is not self._attempt:
            return
        if attempt.abandoned or reader.is_closing():
            return
        if reader.get_write_buffer_size() + len(data) > _MOST_UNREAD:
            self._left_out += len(data)
            return
        self._last = self._loop.time()
        if self._left_out:
            self._say(_LEFT_OUT.format(self._left_out))
            self._left_out = 0
        reader.write(data)

    def _closed(self, attempt: _Attempt, error: BaseException | None) -> None:
        if attempt is not self._attempt:
            return
        self._attempt = None
        self._cancel("opening", "closing")
        if self._reader is None or self._ended:
            return
        if attempt.abandoned:
            self._open()
            return
        if attempt.line and self._loop.time() - attempt.since > _GOOD:
            self._pause = _FIRST_PAUSE
        pause = max(self._pause, getattr(error, "pause", 0.0))
        # Many consoles that were lost together don't come back together.
        pause *= 1 + self._chance() / 4
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._lost(error, pause)
        self._later("again", pause, self._open)

    def _lost(self, error: BaseException | None, pause: float) -> None:
        LOG.log(
            logging.DEBUG if self._interrupted else logging.WARNING,
            "Node %s: its console is interrupted, next try in %.0f s: %s",
            self._name,
            pause,
            error or "it was closed",
        )
        if not self._interrupted:
            self._interrupted = True
            self._say(_LOST)
        # Typed for the old line, and not meant for whatever comes next.
        self._held = b""
        if "room" in self._timers:
            self._cancel("room")
            if self._reader is not None:
                self._reader.resume_reading()

    def _abandon(self) -> None:
        attempt = self._attempt
        if attempt is None or attempt.abandoned:
            return
        attempt.abandoned = True
        if attempt.line is not None:
            attempt.line.close()
        self._later("closing", _CLOSING, self._closed, attempt, None)

    # -- time -----------------------------------------------------------------

    def _later(
        self, name: str, seconds: float, function: Callable[..., None], *a: Any
    ) -> None:
        """Each thing is awaited once."""
        self._cancel(name)
        handle = self._loop.call_later(seconds, function, *a)
        self._timers[name] = handle

    def _cancel(self, *names: str) -> None:
        for name in names:
            handle = self._timers.pop(name, None)
            if handle is not None:
                handle.cancel()


def _line(sentence: str) -> bytes:
    return f"\r\n[{sentence}]\r\n".encode()


def _error_of(future: Future[Any]) -> BaseException | None:
    if future.cancelled():
        return RuntimeError("it was not opened")
    return future.exception()


__all__ = ["Line", "Loop", "Opener", "ServedConsole"]
