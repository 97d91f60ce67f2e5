# SPDX-License-Identifier: Apache-2.0
"""One command on its way, and the two queues that it waits in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command
from baremetal_backend.drivers.ipmi.ports import Answered

if TYPE_CHECKING:
    from baremetal_backend.drivers.ipmi.native.link import Link


class Work:
    """A command that somebody waits for. Owner: the pump that has it.

    It ends exactly once: by whoever takes it out of the client's dictionary
    of outstanding work.
    """

    __slots__ = (
        "background",
        "bmc",
        "command",
        "deadline",
        "done",
        "link",
        "sent",
        "submitted",
    )

    def __init__(
        self,
        bmc: Bmc,
        command: Command,
        submitted: float,
        deadline: float,
        done: Callable[[Answered], None],
        *,
        background: bool = False,
        link: Link | None = None,
    ) -> None:
        self.bmc = bmc
        self.command = command
        self.submitted = submitted
        #: Monotonic seconds.
        self.deadline = deadline
        self.done = done
        self.background = background
        #: The session that it is for; None: the one that all commands share.
        self.link = link
        #: Whether the controller may have got it.
        self.sent = False

    def again(self) -> Work:
        """The same, for another pump."""
        return Work(
            self.bmc,
            self.command,
            self.submitted,
            self.deadline,
            self.done,
            background=self.background,
        )


class Queue:
    """What waits for one controller: what clients ask for goes first."""

    __slots__ = ("_background", "_first", "_soonest")

    def __init__(self) -> None:
        self._first: deque[Work] = deque()
        self._background: deque[Work] = deque()
        self._soonest = float("inf")

    def __len__(self) -> int:
        return len(self._first) + len(self._background)

    def __iter__(self) -> Iterator[Work]:
        yield from self._first
        yield from self._background

    @property
    def soonest(self) -> float:
        """No deadline is before this one."""
        return self._soonest

    def put(self, work: Work) -> None:
        """At the end of its kind."""
        (self._background if work.background else self._first).append(work)
        self._soonest = min(self._soonest, work.deadline)

    def take(self) -> Work | None:
        """The next; None: there is none."""
        if self._first:
            return self._first.popleft()
        if self._background:
            return self._background.popleft()
        self._soonest = float("inf")
        return None

    def expired(self, now: float) -> list[Work]:
        """Take out what is too late."""
        if now < self._soonest:
            return []
        late = [work for work in self if work.deadline <= now]
        for queue in (self._first, self._background):
            kept = [work for work in queue if work.deadline > now]
            queue.clear()
            queue.extend(kept)
        self._soonest = min(
            (work.deadline for work in self), default=float("inf")
        )
        return late

    def clear(self) -> list[Work]:
        """Take out all."""
        return self.expired(float("inf"))


__all__ = ["Queue", "Work"]
