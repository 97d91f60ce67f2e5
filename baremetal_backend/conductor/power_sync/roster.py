# SPDX-License-Identifier: Apache-2.0
"""The nodes that are followed, what is known of each, and what is new.

One thread, the poller's, changes what is here. All others put messages into
the inbox, and read: values that are replaced whole, never changed.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from baremetal_backend.core import power_schedule as schedule
from baremetal_backend.core.power_schedule import Turn
from baremetal_backend.core.power_sync import Row, Standing
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import PowerInterface, PowerReading

Source = Literal["poll", "command"]

# Seconds over which the rate of polls is measured.
_WINDOW = 60


@dataclass(frozen=True, slots=True)
class Observation:
    """What the hardware said, and what it was asked by."""

    state: str
    #: Monotonic seconds of the question: it is at least as new as that.
    at: float
    source: Source


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last question had no answer."""

    error: str
    kind: str


class Followed:
    """One node. Changed by the poller's thread only."""

    __slots__ = (
        "asked_at",
        "in_flight",
        "interface",
        "node",
        "number",
        "observation",
        "row",
        "since",
        "standing",
        "trouble",
        "turn",
        "uuid",
    )

    def __init__(self, row: Row, turn: Turn, now: float) -> None:
        self.uuid = row.uuid
        #: As it was at the last look or question.
        self.row = row
        self.turn = turn
        self.since = now
        self.standing = Standing()
        #: The whole record of ``row``'s version, once it was asked.
        self.node: Node | None = None
        self.interface: PowerInterface | None = None
        self.observation: Observation | None = None
        self.trouble: Trouble | None = None
        #: Of the last question: an answer to an earlier one is dropped.
        self.number = 0
        self.in_flight = False
        self.asked_at = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A question ended."""

    uuid: str
    number: int
    reading: PowerReading


@dataclass(frozen=True, slots=True)
class Switched:
    """An operation reached a power state."""

    uuid: str
    state: str
    at: float


@dataclass(frozen=True, slots=True)
class Restored:
    """An attempt to switch a node back began, or could not."""

    uuid: str
    begun: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody wants to know now; None: of all nodes."""

    uuids: tuple[str, ...] | None


Message = Answered | Switched | Restored | Wanted


class Counts:
    """What happened since the start. Changed by the poller's thread only."""

    def __init__(self) -> None:
        self.asked = 0
        #: Answers that were compared with the database.
        self.compared = 0
        #: Questions without an answer, by kind of error.
        self.errors: Counter[str] = Counter()
        #: What became of states that were not as the record said.
        self.actions: Counter[str] = Counter()
        #: Results that came too late: something had happened to the node.
        self.lost = 0
        # (second, questions in it)
        self._recent: deque[tuple[int, int]] = deque()

    def ask(self, now: float, number: int) -> None:
        """So many questions went out."""
        self.asked += number
        second, before = int(now), 0
        if self._recent and self._recent[-1][0] == second:
            before = self._recent.pop()[1]
        self._recent.append((second, before + number))
        while self._recent[0][0] < second - _WINDOW:
            self._recent.popleft()

    def rate(self, now: float, began: float) -> float:
        """Questions per second, over the last minute."""
        recent = tuple(self._recent)
        seconds = min(float(_WINDOW), max(1.0, now - began))
        asked = sum(n for at, n in recent if at > now - _WINDOW)
        return asked / seconds


class Roster:
    """All of it. Owned by the conductor."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.monotonic = monotonic
        self.counts = Counts()
        self.began = monotonic()
        self.in_flight = 0
        self._followed: dict[str, Followed] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        # Of all nodes: one that went and came back is another one.
        self._numbers = itertools.count(1)
        self._inbox: deque[Message] = deque()
        self._woken = threading.Event()
        self._lock = threading.Lock()

    # -- for all threads ------------------------------------------------------

    def put(self, message: Message) -> None:
        """Tell the poller."""
        self._inbox.append(message)
        self.wake()

    def wake(self) -> None:
        """Let the poller look at once."""
        # Asking is cheaper than setting, and a thousand may answer at once.
        if not self._woken.is_set():
            self._woken.set()

    def switched(self, node: Node) -> None:
        """An operation wrote the power state that it reached."""
        if node.power_state is not None:
            self.put(Switched(node.uuid, node.power_state, self.monotonic()))

    def poll_now(self, uuids: Iterable[str] | None = None) -> None:
        """Ask these nodes at once, all of them without uuids."""
        self.put(Wanted(None if uuids is None else tuple(uuids)))

    def find(self, uuid: str) -> Followed | None:
        """The node, if it is this conductor's."""
        return self._followed.get(uuid)

    def all(self) -> list[Followed]:
        """All nodes of this conductor at this moment."""
        with self._lock:
            return list(self._followed.values())

    # -- for the poller -------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Until there is a message, or the time is over."""
        self._woken.wait(seconds)
        self._woken.clear()

    def messages(self) -> list[Message]:
        """What came since the last time."""
        found = []
        while self._inbox:
            found.append(self._inbox.popleft())
        return found

    def add(self, one: Followed) -> None:
        """Follow a node."""
        with self._lock:
            self._followed[one.uuid] = one
        self.set_turn(one, one.turn)

    def remove(self, one: Followed) -> None:
        """Follow it no longer."""
        with self._lock:
            self._followed.pop(one.uuid, None)
        if one.in_flight:
            self.in_flight -= 1
            one.in_flight = False

    def set_turn(self, one: Followed, turn: Turn) -> None:
        """When it is asked next."""
        one.turn = turn
        if turn.due is not None:
            heapq.heappush(self._heap, (turn.due, next(self._order), one.uuid))

    def next_number(self) -> int:
        """A number for a question, which no other one has."""
        return next(self._numbers)

    def ask_at(self, one: Followed, due: float | None) -> None:
        """Ask it then, and not before; None: not at all."""
        self.set_turn(one, schedule.at(one.turn, due))

    def next_due(self) -> float | None:
        """When the next node is due; None: none is."""
        while self._heap:
            due, _, uuid = self._heap[0]
            if self._is_due(uuid, due):
                return due
            heapq.heappop(self._heap)
        return None

    def due(self, now: float, most: int) -> list[Followed]:
        """Take out nodes that are due, the longest overdue first."""
        found: dict[str, Followed] = {}
        while len(found) < most:
            due = self.next_due()
            if due is None or due > now:
                break
            _, _, uuid = heapq.heappop(self._heap)
            found[uuid] = self._followed[uuid]
        return list(found.values())

    def _is_due(self, uuid: str, due: float) -> bool:
        one = self._followed.get(uuid)
        return one is not None and not one.in_flight and one.turn.due == due


__all__ = [
    "Answered",
    "Counts",
    "Followed",
    "Message",
    "Observation",
    "Restored",
    "Roster",
    "Source",
    "Switched",
    "Trouble",
    "Wanted",
]
