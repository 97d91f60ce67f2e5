# SPDX-License-Identifier: Apache-2.0
"""Sees that the pump lives, and replaces it when it doesn't.

The pump gives a sign of life every second. Without one for three seconds, or
without its thread, it is abandoned: a new one gets what is outstanding and may
be repeated, and what may have been carried out ends as ``Unanswered``. While a
pump hangs, deadlines are kept from here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.outcomes import cut_short
from baremetal_backend.drivers.ipmi.native.pump import Pump
from baremetal_backend.drivers.ipmi.native.resolver import Resolver
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered

LOG = logging.getLogger(__name__)

# Seconds.
_LOOK: Final = 0.5
_HANGS: Final = 3.0
_LATE: Final = 0.25
_JOIN: Final = 3.0

MakePump = Callable[[int, Resolver], Pump]


class Watch:
    """Thread ``baremetal-ipmi-watch``. Owns the present pump."""

    def __init__(
        self,
        make: MakePump,
        outstanding: dict[Work, None],
        resolver: Resolver,
    ) -> None:
        self._make = make
        self._outstanding = outstanding
        self._resolver = resolver
        self._stopped = threading.Event()
        self.replaced = 0
        self.pump = make(0, resolver)
        self._thread = threading.Thread(
            target=self._run, name="baremetal-ipmi-watch", daemon=True
        )

    def start(self) -> None:
        """Start the pump and the watch."""
        self.pump.thread.start()
        self._thread.start()

    def stop(self) -> None:
        """End the pump, its sessions first."""
        self._stopped.set()
        self._thread.join(_JOIN)
        self.pump.stop()
        self.pump.thread.join(_JOIN)
        if self.pump.thread.is_alive():
            self.pump.abandon()
        self._resolver.stop()
        self.end_all()

    def end_all(self) -> None:
        """End what is outstanding. For any thread, once it is stopped."""
        for work in list(self._outstanding):
            if self._take(work):
                _end(work, "the client is stopping")

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(_LOOK):
            now = time.monotonic()
            # A process that was stopped as a whole proves nothing about one
            # thread of it.
            punctual = now - last < 2 * _LOOK
            last = now
            try:
                self.look(now, punctual)
            except Exception:
                LOG.exception("The watch of the IPMI client failed")

    def look(self, now: float, punctual: bool = True) -> None:
        """Keep deadlines; replace a pump that is dead or hangs."""
        self._keep_deadlines(now)
        pump = self.pump
        dead = not pump.thread.is_alive()
        if dead or (punctual and now - pump.beat > _HANGS):
            LOG.error(
                "The IPMI client's thread %s; another one takes its place",
                "died" if dead else f"gave no sign for {_HANGS:.0f} s",
            )
            self._replace(pump)

    def _keep_deadlines(self, now: float) -> None:
        for work in list(self._outstanding):
            if now > work.deadline + _LATE and self._take(work):
                _end(work, "no answer")

    def _replace(self, old: Pump) -> None:
        old.abandon()
        self.replaced += 1
        new = self._make(self.replaced, self._resolver)
        new.counts.update(old.counts)
        new.thread.start()
        self.pump = new
        for work in list(self._outstanding):
            if not self._take(work):
                continue
            once = work.sent and not work.command.repeatable
            if once or work.link is not None:
                _end(work, "its session is lost")
            else:
                again = work.again()
                self._outstanding[again] = None
                new.post(again)
        for lost in _losers(old):
            new.post(lost)

    def _take(self, work: Work) -> bool:
        """Whether it is ours to end.

        Whether it was sent is looked at after that: a pump notes it before it
        looks whether the work is still its own.
        """
        return self._outstanding.pop(work, work) is None


def _losers(old: Pump) -> Iterator[Callable[[], None]]:
    """Tell whoever had a session of their own, or was about to."""
    for controller in list(old.controllers.values()):
        for link in list(controller.links):
            lost, link.lost = link.lost, None
            if lost is not None:
                yield partial(lost, _lost(link.bmc.where))
    for promised in list(old.promised.values()):
        yield partial(promised, _lost("IPMI client"))


def _lost(where: str) -> IpmiError:
    return Unreachable(where, "Session", 0.0, "it is lost")


def _end(work: Work, detail: str) -> None:
    """From this thread."""
    now = time.monotonic()
    outcome = cut_short(work, detail, now)
    try:
        work.done(Answered(outcome, outcome.seconds, now))
    except Exception:
        LOG.exception(
            "What waited for %s of %s failed to take the answer",
            work.command.name,
            work.bmc.where,
        )


__all__ = ["Watch"]
