# SPDX-License-Identifier: Apache-2.0
"""Takes announcements from the outbox to the broker, in order.

Guarantees that each is sent at least once, and those of one node in the order
of its changes; a broker or a database that does not answer delays them and
holds up nothing else. Sent twice is what was sent right before a crash.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.storage.outbox import Announcement, Outbox

LOG = logging.getLogger(__name__)

# Seconds between two looks into an outbox that was empty.
_INTERVAL = 0.5

# Seconds between two looks for conductors that left theirs behind.
_ADOPT_INTERVAL = 10.0

# Seconds after something went wrong that nobody thought of.
_AFTER_A_FAULT = 10.0


class Publisher:
    """One conductor's announcements. Owned by the thread in ``run``."""

    def __init__(
        self,
        outbox: Outbox,
        send: Callable[[Announcement], None],
        active: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``active``: whether this conductor may take over others' rows."""
        self._outbox = outbox
        self._send = send
        self._active = active
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._next_adoption = monotonic()

    def run(self) -> None:
        """Until ``stop``; what is there then is still sent."""
        while not self._stopping.wait(self._turn()):
            pass
        self._turn()

    def stop(self) -> None:
        """End ``run`` after one more look."""
        self._stopping.set()

    def _turn(self) -> float:
        """One look; returns seconds until the next."""
        try:
            self._adopt()
            return 0.0 if self.publish() else _INTERVAL
        except StorageUnavailable:
            return _INTERVAL
        except Exception:
            LOG.exception("Can't publish notifications.")
            return _AFTER_A_FAULT

    def publish(self) -> int:
        """Send what waits; returns how many were sent.

        Errors: StorageUnavailable, and whatever the sender raises; what was
        not sent or not removed then is sent later.
        """
        sent = 0
        for one in self._outbox.pending():
            self._send(one)
            sent += 1
            if not self._outbox.remove(one):
                # Another conductor took the rest over.
                break
        return sent

    def _adopt(self) -> None:
        now = self._monotonic()
        if now < self._next_adoption or not self._active():
            return
        self._next_adoption = now + _ADOPT_INTERVAL
        found = self._outbox.adopt()
        if found:
            LOG.info(
                "Publishing %d notifications of conductors that are gone.",
                found,
            )


__all__ = ["Publisher"]
