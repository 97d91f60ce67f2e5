# SPDX-License-Identifier: Apache-2.0
"""When a database transaction that failed is tried again.

A deadlock is over as soon as one of its parties gave way: again after
hundredths of a second. A dead connection is replaced at once, since the rest
of the pool may be as dead as it; then the server is given time to come back.
Whoever waits for the answer does not wait for ever: attempts and seconds are
both limited.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

# Seconds after the first and the longest after any deadlock.
_DEADLOCK_FIRST = 0.02
_DEADLOCK_LONGEST = 0.5


class Failure(enum.Enum):
    """What went wrong, as far as it says whether to try again."""

    #: Rolled back by the database, in favour of another transaction.
    DEADLOCK = "deadlock"
    #: The connection is gone, or there is none.
    DEAD = "dead"
    #: Would fail again.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to keep trying; names as in oslo.db's ``[database]``."""

    #: Attempts after the first one; negative: as many as the time allows.
    db_max_retries: int = 20
    #: Seconds before the second attempt to connect again, doubled each time.
    db_retry_interval: float = 1.0
    #: The most that it is doubled to.
    db_max_retry_interval: float = 10.0
    #: Seconds after which no further attempt is made.
    seconds: float = 5.0

    def pause(
        self, failure: Failure, attempt: int, elapsed: float, chance: float
    ) -> float | None:
        """Seconds until the next attempt; None: give up.

        ``attempt``: how many were made, at least 1. ``elapsed``: seconds
        since the first began. ``chance``: 0 to 1, spreads those who failed
        together.
        """
        if failure is Failure.OTHER or 0 <= self.db_max_retries < attempt:
            return None
        if failure is Failure.DEADLOCK:
            longest = min(
                _DEADLOCK_FIRST * 2.0 ** min(attempt - 1, 20),
                _DEADLOCK_LONGEST,
            )
            wait = chance * longest
        elif attempt == 1:
            wait = 0.0
        else:
            longest = min(
                self.db_retry_interval * 2.0 ** min(attempt - 2, 20),
                self.db_max_retry_interval,
            )
            wait = (0.5 + 0.5 * chance) * longest
        return wait if elapsed + wait <= self.seconds else None
