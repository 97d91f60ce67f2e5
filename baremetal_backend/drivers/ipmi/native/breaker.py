# SPDX-License-Identifier: Apache-2.0
"""Whether background work asks a controller at all. Pure.

After some failures in a row the circuit is open for a while, which doubles
with each further failure; then one question goes through and decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    IpmiError,
    Refused,
)

_FIRST_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is thought of one controller. Times: monotonic seconds."""

    failures: int = 0
    last: IpmiError | None = None
    #: Not asked before; None: the circuit is closed.
    open_until: float | None = None

    def failed(
        self, error: IpmiError, now: float, most: int, longest: float
    ) -> Circuit:
        """A command ended so.

        ``most``: failures in a row without consequence, and one. A refusal is
        an answer. Somebody who knows us not, or has no room, is left alone at
        once: many controllers lock a user out who tries too often.
        """
        if isinstance(error, Refused):
            return CLOSED
        failures = self.failures + 1
        if isinstance(error, BadCredentials | Busy):
            pause = min(error.pause, longest)
        elif failures >= most:
            doublings = min(failures - most, 32)
            pause = min(_FIRST_PAUSE * 2.0**doublings, longest)
        else:
            return Circuit(failures, error)
        return Circuit(failures, error, now + pause)

    def admits(self, now: float) -> bool:
        """Whether background work may ask now."""
        return self.open_until is None or now >= self.open_until

    def probing(self, now: float, seconds: float) -> Circuit:
        """One question goes through; others wait for what it brings."""
        if self.open_until is None:
            return self
        return replace(self, open_until=now + seconds)

    def refusal(self, where: str, tried: str, now: float) -> IpmiError:
        """What background work is told meanwhile."""
        last = self.last
        if last is None or self.open_until is None:
            raise ValueError("the circuit is closed")
        left = max(0.0, self.open_until - now)
        refusal = type(last)(
            where,
            tried,
            0.0,
            f"not asked for another {left:.0f} s, failures in a row: "
            f"{self.failures}; the last one: {last.detail}",
        )
        refusal.retry_after = left
        return refusal


CLOSED: Final = Circuit()

__all__ = ["CLOSED", "Circuit"]
