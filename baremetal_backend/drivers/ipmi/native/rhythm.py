# SPDX-License-Identifier: Apache-2.0
"""When what was sent to a controller is sent again.

What is sent, and how often at most, is others' business; ``pace`` says how
long to wait, and learns here how fast the controller is.
"""

from __future__ import annotations

import math

from baremetal_backend.drivers.ipmi.native.host import Host
from baremetal_backend.drivers.ipmi.native.pace import Pace


class Rhythm:
    """Of the one thing that a controller is asked at a time.

    Owner: the pump's thread. Times are monotonic seconds.
    """

    __slots__ = ("_host", "_pace", "due", "sent_at", "tries")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pace = Pace()
        #: How often it was sent.
        self.tries = 0
        #: When for the first time.
        self.sent_at = 0.0
        #: When it is sent again; whoever knows better sets it.
        self.due = math.inf

    def sent(self, now: float) -> None:
        """For the first time."""
        self.tries = 1
        self.sent_at = now
        self.due = now + self._pace.wait(1, self._host.chance())

    def repeated(self, now: float, most: int | None = None) -> None:
        """Once more; the wait is at most the one after ``most`` sendings."""
        self.tries += 1
        self._host.count("repetitions")
        tries = self.tries if most is None else min(self.tries, most)
        self.due = now + self._pace.wait(tries, self._host.chance())

    def answered(self, now: float) -> None:
        """Something came back."""
        self._pace = self._pace.measured(now - self.sent_at, self.tries)

    def rest(self) -> None:
        """It is not sent again."""
        self.due = math.inf


__all__ = ["Rhythm"]
