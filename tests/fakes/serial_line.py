# SPDX-License-Identifier: Apache-2.0
"""Serial lines without a machine, for whoever opens lines.

As with real ones: an opening is a future, what arrives and the end are told
by callbacks, the end once, and nothing is told after it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future


class FakeLine:
    """An open line; ``typed`` is what the machine got."""

    def __init__(self, received, closed) -> None:
        self._received = received
        self._closed = closed
        self.typed = b""
        self.unsent = 0
        self.is_closed = False

    def send(self, data: bytes) -> None:
        if not self.is_closed:
            self.typed += data

    def close(self) -> None:
        self.drop(None)

    def write(self, data: bytes) -> None:
        """The machine writes."""
        if not self.is_closed:
            self._received(data)

    def drop(self, error: Exception | None) -> None:
        """The line is over."""
        if not self.is_closed:
            self.is_closed = True
            self._closed(error)


class FakeMachine:
    """Opens lines: at once, or when ``answer`` is called."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        #: Fails the next openings.
        self.error: Exception | None = None
        self.lines: list[FakeLine] = []
        self.openings: list[Callable[[], None]] = []

    def __call__(self, received, closed) -> Future:
        future: Future = Future()

        def answer() -> None:
            if self.error is not None:
                future.set_exception(self.error)
                return
            self.lines.append(FakeLine(received, closed))
            future.set_result(self.lines[-1])

        self.openings.append(answer)
        if self.at_once:
            answer()
        return future

    @property
    def line(self) -> FakeLine:
        """The newest one."""
        return self.lines[-1]
