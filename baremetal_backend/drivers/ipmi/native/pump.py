# SPDX-License-Identifier: Apache-2.0
"""The one thread that does all I/O with controllers.

It waits for datagrams, for the time, and for what other threads submit, and
hands each to the controller that it concerns. A fault in one of these ends
that controller's command and nothing else.

All state belongs to the object. A pump that hangs is abandoned as it is: it
finds out when it goes on, touches nothing more, and ends.
"""

from __future__ import annotations

import logging
import random
import selectors
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Final

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Response
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    ProtocolViolation,
)
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED, Circuit
from baremetal_backend.drivers.ipmi.native.controller import Controller
from baremetal_backend.drivers.ipmi.native.dedicated import Dedicated
from baremetal_backend.drivers.ipmi.native.exchange import GET_DEVICE_ID
from baremetal_backend.drivers.ipmi.native.resolver import (
    Address,
    Found,
    Resolver,
    numeric,
)
from baremetal_backend.drivers.ipmi.native.sockets import Port, Sockets
from baremetal_backend.drivers.ipmi.native.timers import Timer, Timers
from baremetal_backend.drivers.ipmi.native.wake_up import WakeUp
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered

LOG = logging.getLogger(__name__)

# Seconds between signs of life.
_BEAT: Final = 1.0
# How much is done before sockets are looked at again.
_BATCH: Final = 128
# Seconds for all controllers to close their sessions at the end.
_FAREWELL: Final = 1.5


class _Abandoned(BaseException):
    """Somebody else does this pump's work now."""


class Pump:
    """Thread ``baremetal-ipmi-N``. Other threads use ``post`` only.

    ``outstanding`` is shared with whoever replaces the pump: taking a work out
    of it (which is atomic) is the right to end it.
    """

    def __init__(
        self,
        settings: IpmiSettings,
        resolver: Resolver,
        outstanding: dict[Work, None],
        number: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.controllers: dict[tuple[str, int], Controller] = {}
        self.beat = clock()
        self.now = clock
        self._resolver = resolver
        self._outstanding = outstanding
        self._posted: deque[Callable[[], None] | Work] = deque()
        self._abandoned = False
        self._stop_at: float | None = None
        #: What to tell when this pump is replaced, of what was not begun.
        self.promised: dict[
            Callable[[], None], Callable[[IpmiError], None]
        ] = {}
        self._timers = Timers()
        self._wakes: dict[Controller, Timer] = {}
        self._numeric: dict[tuple[str, int], Found | None] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_up = WakeUp()
        self._selector.register(
            self._wake_up.socket, selectors.EVENT_READ, None
        )
        self._sockets: Sockets[Controller] = Sockets(self._watch, self._ignore)
        self.thread = threading.Thread(
            target=self._run, name=f"baremetal-ipmi-{number}", daemon=True
        )

    # -- other threads -------------------------------------------------------

    def post(self, item: Callable[[], None] | Work) -> None:
        """Do this in the pump's thread. Never waits."""
        self._posted.append(item)
        self._wake_up.call()

    def stop(self) -> None:
        """Close all sessions and end, within two seconds."""
        # Before all that waits, which is turned away then.
        self._posted.appendleft(self._begin_to_stop)
        self._wake_up.call()

    def abandon(self) -> None:
        """Somebody else does its work now."""
        self._abandoned = True

    def circuit(self, bmc: Bmc) -> Circuit:
        """What background work thinks of a controller. For any thread."""
        controller = self.controllers.get((bmc.address, bmc.port))
        for link in list(controller.links) if controller else ():
            if link.bmc == bmc and not link.dedicated:
                return link.circuit
        return CLOSED

    # -- hooks for the pump's own thread -------------------------------------

    def call_soon(
        self,
        call: Callable[[], None],
        lost: Callable[[IpmiError], None] | None = None,
    ) -> None:
        """Call this from the loop; ``lost`` if it has none any more."""
        if lost is None:
            self.post(call)
            return
        self.promised[call] = lost

        def begin() -> None:
            self.promised.pop(call, None)
            call()

        self.post(begin)

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call this then, unless it is cancelled."""
        return self._timers.put(self.now() + seconds, call)

    def open_session(
        self,
        bmc: Bmc,
        ready: Callable[[Dedicated], None],
        lost: Callable[[IpmiError], None],
        seconds: float,
    ) -> None:
        """Log in for one purpose.

        ``ready`` is called once the session is open; ``lost`` once when it
        could not be opened, or ended by itself, and not after ``close()``.
        """
        now = self.now()
        controller = self._controller(bmc)
        session = Dedicated(self, controller, bmc, lost)

        def opened(answered: Answered) -> None:
            if isinstance(answered.outcome, Response):
                ready(session)

        work = Work(
            bmc, GET_DEVICE_ID, now, now + seconds, opened, link=session.link
        )
        self.submit(work)

    def submit(self, work: Work) -> None:
        """From the pump's own thread: hand it to its controller."""
        self._outstanding[work] = None
        self._accept(work)

    def forget(self, bmc: Bmc) -> None:
        """Close the session that commands share, when it is free."""
        controller = self.controllers.get((bmc.address, bmc.port))
        if controller is not None:
            controller.forget(bmc, self.now())
            self.plan(controller)

    def plan(self, controller: Controller) -> None:
        """Wake up for this controller in time."""
        if self.controllers.get(controller.name) is not controller:
            return
        due = controller.due
        wake = self._wakes.get(controller)
        if wake is not None:
            if wake.when <= due:
                return
            wake.cancel()
        if due == float("inf"):
            return
        self._wakes[controller] = self._timers.put(
            due, lambda: self._tick(controller)
        )

    # -- what controllers need (host.Host) -----------------------------------

    def finish(
        self, work: Work, outcome: Response | IpmiError, now: float
    ) -> None:
        """End a work, if it is still to be ended."""
        if self._abandoned:
            raise _Abandoned
        try:
            del self._outstanding[work]
        except KeyError:
            return
        if isinstance(outcome, IpmiError):
            self.counts[outcome.kind] += 1
        else:
            self.counts["answers"] += 1
        try:
            work.done(Answered(outcome, now - work.submitted, now))
        except Exception:
            LOG.exception(
                "What waited for %s of %s failed to take the answer",
                work.command.name,
                work.bmc.where,
            )

    def mine(self, work: Work) -> bool:
        """Whether it is still to be ended, by this pump."""
        return work in self._outstanding and not self._abandoned

    def resolve(self, bmc: Bmc, then: Callable[[Found, float], None]) -> None:
        """Find the addresses of a controller."""
        name = (bmc.address, bmc.port)
        controller = self.controllers.get(name)
        found = self._numeric.get(name)
        if found is None and name not in self._numeric:
            found = self._numeric[name] = numeric(*name)
        if found is not None:
            then(found, self.now())
            return

        def later(found: Found) -> None:
            self.post(lambda: self._resolved(controller, found, then))

        self._resolver.resolve(bmc.address, bmc.port, later)

    def join(self, address: Address, peer: Controller) -> Port[Controller]:
        """A socket for this address."""
        return self._sockets.join(*address, peer)

    def leave(self, port: Port[Controller], address: Address) -> None:
        """It is no longer needed."""
        self._sockets.leave(port, address[1])

    def retire(self, controller: Controller) -> None:
        """Forget a controller."""
        if self.controllers.get(controller.name) is controller:
            del self.controllers[controller.name]
        self._numeric.pop(controller.name, None)
        wake = self._wakes.pop(controller, None)
        if wake is not None:
            wake.cancel()

    def chance(self) -> float:
        """From 0 up to 1."""
        return random.random()  # noqa: S311

    def count(self, what: str) -> None:
        """For statistics."""
        self.counts[what] += 1

    # -- the loop ------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._ended():
                self.beat = self.now()
                self._turn()
        except _Abandoned:
            LOG.debug("An abandoned pump ends")
        finally:
            self._sockets.close()
            self._selector.close()
            self._wake_up.close()

    def _ended(self) -> bool:
        if self._abandoned:
            return True
        if self._stop_at is None or self._posted:
            return False
        return self.now() >= self._stop_at or all(
            controller.quiet for controller in self.controllers.values()
        )

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                self._wake_up.drain()
            else:
                # A burst takes longer on a busy host than a sign of life may.
                self.beat = self.now()
                self._read(key.data)
        if self._abandoned:
            raise _Abandoned
        self._take_posted()
        self._run_timers()

    def _patience(self) -> float:
        if self._posted:
            return 0.0
        patience = _BEAT if self._stop_at is None else 0.05
        return max(0.0, min(patience, self._timers.due - self.now()))

    def _read(self, port: Port[Controller]) -> None:
        for _ in range(_BATCH):
            found = port.read()
            if found is None:
                return
            datagram, address = found
            controller = port.peers.get(address)
            if controller is None:
                self.counts["strangers"] += 1
                continue
            try:
                controller.received(datagram, self.now())
            except Exception as error:
                self._failed(controller, error)
            wake = self._wakes.get(controller)
            if wake is None or wake.when > controller.next_move:
                self.plan(controller)

    def _take_posted(self) -> None:
        for _ in range(min(len(self._posted), _BATCH)):
            if self._abandoned:
                raise _Abandoned
            item = self._posted.popleft()
            if isinstance(item, Work):
                self._accept(item)
            else:
                self._call(item)

    def _run_timers(self) -> None:
        now = self.now()
        while (timer := self._timers.take(now)) is not None:
            if self._abandoned:
                raise _Abandoned
            self._call(timer.call)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            self.counts["faults"] += 1
            LOG.exception("A call in the IPMI client's thread failed")

    def _accept(self, work: Work) -> None:
        if work not in self._outstanding:
            return
        controller = self._controller(work.bmc)
        try:
            controller.submit(work, self.now())
        except Exception as error:
            self._failed(controller, error)
        self.plan(controller)

    def _controller(self, bmc: Bmc) -> Controller:
        name = (bmc.address, bmc.port)
        found = self.controllers.get(name)
        if found is None:
            found = self.controllers[name] = Controller(self, name)
            if self._stop_at is not None:
                found.stop(self.now())
        return found

    def _tick(self, controller: Controller) -> None:
        self._wakes.pop(controller, None)
        self._go_on(controller)

    def _go_on(self, controller: Controller) -> None:
        self._guarded(controller, lambda: controller.tick(self.now()))

    def _resolved(
        self,
        controller: Controller | None,
        found: Found,
        then: Callable[[Found, float], None],
    ) -> None:
        if controller is not None:
            now = self.now()
            self._guarded(
                controller,
                lambda: controller.resolved(lambda: then(found, now), now),
            )

    def _guarded(
        self, controller: Controller, act: Callable[[], None]
    ) -> None:
        """A fault ends what this controller has in flight, nothing else."""
        try:
            act()
        except Exception as error:
            self._failed(controller, error)
        self.plan(controller)

    def _failed(self, controller: Controller, error: Exception) -> None:
        self.counts["faults"] += 1
        LOG.exception("The exchange with %s:%s failed", *controller.name)
        detail = f"{type(error).__name__}: {error}"
        self._call(
            lambda: controller.fail(ProtocolViolation, detail, self.now())
        )
        if controller.waiting:
            # Not from here: what is next may have the same fault.
            self.post(lambda: self._go_on(controller))

    def _begin_to_stop(self) -> None:
        now = self.now()
        self._stop_at = now + _FAREWELL
        for controller in list(self.controllers.values()):
            self._guarded(controller, partial(controller.stop, now))

    def _watch(self, port: Port[Controller]) -> None:
        self._selector.register(port.socket, selectors.EVENT_READ, port)

    def _ignore(self, port: Port[Controller]) -> None:
        self._selector.unregister(port.socket)


__all__ = ["Pump"]
