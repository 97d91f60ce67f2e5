# SPDX-License-Identifier: Apache-2.0
"""A timer whose time passes when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable


class FakeTimer:
    """Keeps delayed calls until ``pass_time``; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        with self._changed:
            self._waiting.append((seconds, call))
            self._changed.notify_all()

    def wait_for_pause(self) -> float:
        """Until something waits; returns the seconds that it wants."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting, 20)
            return self._waiting[0][0]

    def pass_time(self) -> None:
        """Make the calls that are waiting now."""
        self.wait_for_pause()
        with self._changed:
            due, self._waiting = self._waiting, []
        for _seconds, call in due:
            call()
