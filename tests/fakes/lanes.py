# SPDX-License-Identifier: Apache-2.0
"""Lanes without threads: work runs in the caller, until its first pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from baremetal_backend.conductor.timer import Timer


class InlineLane:
    """Has a place for everything."""

    def admit(self, work: Callable[[], None]) -> None:
        work()

    def go_on(self, work: Callable[[], None]) -> None:
        work()

    def later(
        self, timer: Timer, seconds: float, work: Callable[[], None]
    ) -> None:
        timer.call_later(seconds, work)

    def refusal(self) -> str | None:
        return None

    @contextmanager
    def place(self) -> Iterator[None]:
        yield


class InlineLanes:
    """One lane for all work."""

    def __init__(self) -> None:
        self.operator = self.provisioning = self.background = InlineLane()

    def of(self, _name: str) -> InlineLane:
        return self.background
