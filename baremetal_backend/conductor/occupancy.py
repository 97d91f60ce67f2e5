# SPDX-License-Identifier: Apache-2.0
"""Which nodes operations of this process have, and who waits for them.

The database says who has a node. What is kept here lets a waiting request go
on as soon as its node is free, keeps background work from getting in before
it, tells a stopping service when all operations have ended, and shows which
of them give no sign of life.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from baremetal_backend.core.errors import ShuttingDown
from baremetal_backend.core.leases import Stalled, stalled


class Stay:
    """One operation's presence on a node, from before it takes the node.

    Who has ``claim_end`` answered with True writes the operation's end, and
    calls ``leave`` afterwards: the operation's own thread, or whoever ends it
    from outside.
    """

    def __init__(
        self, occupancy: Occupancy, node_uuid: str, purpose: str
    ) -> None:
        self.node_uuid = node_uuid
        self.purpose = purpose
        #: Number of its lease; 0 until it has one.
        self.token = 0
        #: Monotonic seconds of its last sign of life; None while it pauses.
        self.last_sign: float | None = None
        #: Writes its failure and gives the node back, from another thread.
        self.write_off: Callable[[str], None] | None = None
        self._occupancy = occupancy
        self._ended = False
        self._left = False

    @property
    def ended(self) -> bool:
        """Whether somebody writes, or wrote, its end: it must not go on."""
        return self._ended

    def claim_end(self) -> bool:
        """True once: the caller is who ends this operation."""
        with self._occupancy.changed:
            first, self._ended = not self._ended, True
            return first

    def leave(self) -> None:
        """It is over, or it did not get the node. Harmless to repeat."""
        with self._occupancy.changed:
            self._ended = True
            if not self._left:
                self._left = True
                self._occupancy.remove(self)


class Occupancy:
    """Owned by the task manager; shared by all threads."""

    def __init__(self, host: Callable[[], str]) -> None:
        self._host = host
        self.changed = threading.Condition(threading.RLock())
        # A node is in it twice while a second operation tries to take it.
        self._stays: dict[str, list[Stay]] = {}
        self._waiting: Counter[str] = Counter()
        self._closed = False

    @property
    def running(self) -> int:
        """Operations that began and have not ended, also paused ones."""
        return len(self.stays())

    def stays(self) -> list[Stay]:
        """All operations at this moment."""
        with self.changed:
            return [stay for here in self._stays.values() for stay in here]

    def close(self) -> None:
        """Let nothing more begin, and nobody wait."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def check_open(self) -> None:
        """Errors: ShuttingDown."""
        if self._closed:
            raise ShuttingDown(self._host())

    def enter(self, uuid: str, purpose: str) -> Stay:
        """An operation is about to take this node. Errors: ShuttingDown."""
        with self.changed:
            self.check_open()
            stay = Stay(self, uuid, purpose)
            self._stays.setdefault(uuid, []).append(stay)
            return stay

    def remove(self, stay: Stay) -> None:
        """For ``Stay.leave``."""
        here = self._stays[stay.node_uuid]
        here.remove(stay)
        if not here:
            del self._stays[stay.node_uuid]
        self.changed.notify_all()

    def evict(self, uuid: str, token: int) -> bool:
        """The lease with this token was ended by somebody else."""
        with self.changed:
            for stay in self._stays.get(uuid, ()):
                if stay.token == token:
                    stay.leave()
                    return True
            return False

    def evict_others(
        self, stays: Collection[Stay], held: Collection[tuple[str, int]]
    ) -> int:
        """Those among ``stays`` without a lease; returns how many.

        ``held``: node and token of each lease that there is.
        """
        with self.changed:
            gone = [
                stay
                for stay in stays
                if not stay.ended and (stay.node_uuid, stay.token) not in held
            ]
            for stay in gone:
                stay.leave()
            return len(gone)

    def evict_all(self, uuids: Collection[str] | None) -> int:
        """All operations with a lease, or those on these nodes; how many."""
        with self.changed:
            gone = [
                stay
                for stay in self.stays()
                if stay.token and (uuids is None or stay.node_uuid in uuids)
            ]
            for stay in gone:
                stay.leave()
            return len(gone)

    # -- waiting --------------------------------------------------------------

    @contextmanager
    def waiting(self, uuid: str) -> Iterator[None]:
        """A client's request waits for this node, and is served next."""
        with self.changed:
            self._waiting[uuid] += 1
        try:
            yield
        finally:
            with self.changed:
                self._waiting[uuid] -= 1
                if not self._waiting[uuid]:
                    del self._waiting[uuid]

    def awaited(self, uuid: str) -> bool:
        """Whether a client's request waits for this node."""
        return uuid in self._waiting

    def wait_free(self, uuid: str, ours: bool, seconds: float) -> None:
        """Until the node is free, for ``seconds`` at most.

        ``ours``: this process has it. A node that another process has takes
        the whole time: nobody tells when it becomes free.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: self._closed or (ours and uuid not in self._stays),
                seconds,
            )

    def wait_idle(self, seconds: float) -> bool:
        """Wait for all operations to end; False if some did not."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._stays, seconds)

    # -- signs of life --------------------------------------------------------

    def stalled(
        self, now: float, timeout: float
    ) -> list[tuple[Stay, Stalled]]:
        """Operations that gave no sign of life for ``timeout`` seconds."""
        found = []
        for stay in self.stays():
            # Its thread may set it to None at any time.
            sign = stay.last_sign
            if stay.ended or not stay.token or sign is None:
                continue
            verdict = stalled(
                stay.node_uuid, stay.purpose, stay.token, now - sign, timeout
            )
            if verdict is not None:
                found.append((stay, verdict))
        return found
