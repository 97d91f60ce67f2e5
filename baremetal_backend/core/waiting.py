# SPDX-License-Identifier: Apache-2.0
"""Which nodes have waited too long for something outside.

A node's time is measured on one monotonic clock from the moment when this
process first saw it waiting: the timestamp in its record only tells one wait
from the next. A wall clock that is stepped, here or on another host, times
nothing out; after a change of the conductor the time begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from baremetal_backend.core.states import STATES

#: The states that a timeout can end.
TIMED = tuple(
    name for name, row in STATES.items() if row.on_timeout is not None
)


@dataclass(frozen=True, slots=True)
class Wait:
    """A node that waits: in which state, and which of its waits it is."""

    node: str
    state: str
    since: str | None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A wait that is too long, by the option that says so."""

    wait: Wait
    option: str
    limit: float

    @property
    def sentence(self) -> str:
        """For ``last_error``."""
        return (
            f'nothing was heard for {self.limit:g} s in "{self.wait.state}" '
            f"([conductor]{self.option})"
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """The waits of this conductor's nodes, each since its first sight."""

    first_seen: Mapping[Wait, float] = field(default_factory=dict)

    def see(self, waits: Iterable[Wait], now: float) -> Watch:
        """The watch after a look at all nodes that wait now."""
        return Watch({wait: self.first_seen.get(wait, now) for wait in waits})

    def overdue(
        self, seconds: Callable[[str], float], now: float
    ) -> list[Overdue]:
        """The waits that are too long, the longest first.

        ``seconds``: what an option of ``[conductor]`` says; 0 is no limit.
        """
        found = []
        for wait, since in self.first_seen.items():
            timeout = STATES[wait.state].on_timeout
            if timeout is None:
                continue
            limit = seconds(timeout.option)
            if limit > 0 and now - since >= limit:
                found.append((since, Overdue(wait, timeout.option, limit)))
        found.sort(key=lambda pair: pair[0])
        return [overdue for _, overdue in found]


__all__ = ["TIMED", "Overdue", "Wait", "Watch"]
