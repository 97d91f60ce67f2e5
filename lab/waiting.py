# SPDX-License-Identifier: Apache-2.0
"""Wait for something with a deadline.

The only place in the lab that sleeps. Knows nothing of what it waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TimedOut(Exception):
    """What was waited for did not come in time."""

    def __init__(self, what: str, seconds: float, last: object) -> None:
        self.what = what
        self.seconds = seconds
        self.last = last
        super().__init__(
            f"no {what} within {seconds:g} s (last seen: {last!r})"
        )


def wait_for(
    predicate: Callable[[], T],
    seconds: float,
    what: str,
    *,
    every: float = 0.25,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """Call predicate until it returns something true, and return that.

    :param seconds: the longest time to wait
    :param what: names the goal, for the error: "no <what> within ..."
    :param every: pause between two calls, in seconds
    :raises TimedOut: the predicate never became true
    """
    deadline = clock() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if clock() >= deadline:
            raise TimedOut(what, seconds, value)
        sleep(every)
