# SPDX-License-Identifier: Apache-2.0
"""How requests to the inspection service ended, counted."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import Final

from baremetal_backend.drivers.discoverd.errors import (
    NoAnswer,
    Refusal,
    ServiceError,
)

#: What the service is asked; a list counts once, whatever its pages.
REQUESTS: Final = ("start", "status", "statuses", "abort", "data")

#: How that ends.
OUTCOMES: Final = (
    "answer",
    "refusal",
    "unreachable",
    "timeout",
    "error",
    "rubbish",
    "access",
    "too old",
)


class Tally:
    """Safe for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def add(
        self, request: str, error: ServiceError | None, seconds: float
    ) -> None:
        """A request ended so, after so long."""
        with self._lock:
            self._ended[request, _outcome(error)] += 1
            self._seconds[request] += seconds

    def ended(self, request: str, outcome: str) -> int:
        """How many did."""
        return self._ended[request, outcome]

    def seconds(self, request: str) -> float:
        """What all of them took."""
        return self._seconds.get(request, 0.0)


def _outcome(error: ServiceError | None) -> str:
    match error:
        case None:
            return "answer"
        case NoAnswer():
            return error.trouble
        case Refusal():
            return "refusal"
        case _:
            return "too old"


__all__ = ["OUTCOMES", "REQUESTS", "Tally"]
