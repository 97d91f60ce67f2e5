# SPDX-License-Identifier: Apache-2.0
"""Questions to power interfaces, and their answers as messages.

An interface that can be asked without waiting costs no thread. One that can
only block gets one of ``[conductor]sync_power_state_workers`` threads; while
all of them are busy its nodes wait for their turn, and nobody else does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from baremetal_backend.conductor.power_sync.roster import (
    Answered,
    Followed,
    Roster,
)
from baremetal_backend.core.errors import BackendError, HardwareRefused
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    PowerInterface,
    PowerReading,
)

LOG = logging.getLogger(__name__)

_STATES = (POWER_ON, POWER_OFF)


class Asking:
    """Owned by the poller, whose thread calls it."""

    def __init__(self, roster: Roster, workers: int) -> None:
        self._roster = roster
        self._free = threading.Semaphore(workers)
        # Starts its threads when they are needed.
        self._pool = ThreadPoolExecutor(
            workers, thread_name_prefix="baremetal-power"
        )

    def can_ask(self, one: Followed) -> bool:
        """Whether there is a thread for a node that needs one."""
        if not _blocks(one.interface):
            return True
        free = self._free.acquire(blocking=False)
        if free:
            self._free.release()
        return free

    def ask(self, one: Followed, node: Node, power: PowerInterface) -> bool:
        """Ask; False if it takes a thread and there is none.

        The answer comes as a message, also if there is none.
        """
        done = partial(self._answered, one.uuid, one.number)
        try:
            if not _blocks(power) and power.ask_power_state(node, done):
                return True
        except Exception as error:
            done(failure(error))
            return True
        if not self._free.acquire(blocking=False):
            return False
        return self.run(lambda: self._ask_blocking(node, power, done))

    def run(self, work: Callable[[], None]) -> bool:
        """Use one of the threads for a while; False after ``stop``."""
        try:
            self._pool.submit(work)
        except RuntimeError:
            return False
        return True

    def stop(self) -> None:
        """Begin nothing more; what blocks is left alone."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask_blocking(
        self,
        node: Node,
        power: PowerInterface,
        done: Callable[[PowerReading], None],
    ) -> None:
        began = self._roster.monotonic()
        try:
            reading = PowerReading(power.get_power_state(node))
        except Exception as error:
            reading = failure(error)
        finally:
            self._free.release()
        seconds = self._roster.monotonic() - began
        done(
            PowerReading(
                reading.state, reading.error, reading.error_kind, seconds
            )
        )

    def _answered(self, uuid: str, number: int, reading: PowerReading) -> None:
        self._roster.put(Answered(uuid, number, reading))


def checked(reading: PowerReading) -> PowerReading:
    """The same, or a failure if it says what is no power state."""
    if reading.state is None or reading.state in _STATES:
        return reading
    return PowerReading(
        None,
        f'the hardware says "{reading.state}", which is no power state',
        "protocol_violation",
        reading.seconds,
    )


def failure(error: Exception) -> PowerReading:
    """What an exception says."""
    if isinstance(error, HardwareRefused):
        return PowerReading(None, error.message, "bad_data")
    for one in (error, error.__cause__):
        kind = getattr(one, "kind", None)
        if isinstance(kind, str):
            return PowerReading(None, _text(error), kind)
    if isinstance(error, BackendError):
        return PowerReading(None, error.message, "hardware")
    LOG.debug("A power interface failed.", exc_info=error)
    return PowerReading(None, _text(error), "driver_fault")


def _text(error: Exception) -> str:
    if isinstance(error, BackendError):
        return error.message
    return f"{type(error).__name__}: {error}"


def _blocks(power: PowerInterface | None) -> bool:
    """Whether this implementation can only block."""
    if power is None:
        return False
    asks = type(power).ask_power_state
    return asks is PowerInterface.ask_power_state


__all__ = ["Asking", "checked", "failure"]
