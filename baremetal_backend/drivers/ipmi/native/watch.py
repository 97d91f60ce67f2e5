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
from collections.abc import Callable
from functools import partial
from typing import Final

from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Unanswered,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.outcomes import (
    MAY_HAVE_BEEN,
    failure,
)
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
        for work in list(self._outstanding):
            self._end(work, Unreachable, "the client is stopping")

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
            if now <= work.deadline + _LATE:
                continue
            if work.sent and not work.command.repeatable:
                self._end(work, Unanswered, MAY_HAVE_BEEN)
            else:
                self._end(work, Unreachable, "no answer")

    def _replace(self, old: Pump) -> None:
        old.abandon()
        self.replaced += 1
        new = self._make(self.replaced, self._resolver)
        new.counts.update(old.counts)
        new.thread.start()
        self.pump = new
        for work in list(self._outstanding):
            if work.sent and not work.command.repeatable:
                self._end(work, Unanswered, MAY_HAVE_BEEN)
            elif work.link is not None:
                self._end(work, Unreachable, "its session is lost")
            elif self._outstanding.pop(work, work) is None:
                again = work.again()
                self._outstanding[again] = None
                new.post(again)
        for controller in list(old.controllers.values()):
            for link in list(controller.links):
                lost, link.lost = link.lost, None
                if lost is not None:
                    error = Unreachable(
                        link.bmc.where, "Session", 0.0, "it is lost"
                    )
                    new.post(partial(lost, error))

    def _end(self, work: Work, error: type[IpmiError], detail: str) -> None:
        """From this thread: end it, unless it has ended."""
        try:
            del self._outstanding[work]
        except KeyError:
            return
        now = time.monotonic()
        outcome = failure(work, error, detail, now)
        try:
            work.done(Answered(outcome, outcome.seconds, now))
        except Exception:
            LOG.exception(
                "What waited for %s of %s failed to take the answer",
                work.command.name,
                work.bmc.where,
            )


__all__ = ["Watch"]
