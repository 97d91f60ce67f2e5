# SPDX-License-Identifier: Apache-2.0
"""Which nodes operations of this process have, and who waits for them.

It only counts: the database says who has a node. What is kept here lets a
waiting request go on as soon as its node is free, and tells a stopping
service when all operations have ended.
"""

from __future__ import annotations

import threading
from collections import Counter

from baremetal_backend.core.errors import ShuttingDown


class Occupancy:
    """Owned by the task manager; shared by all threads."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._changed = threading.Condition()
        # A node counts twice while a second operation tries to take it.
        self._busy: Counter[str] = Counter()
        self._closed = False

    @property
    def running(self) -> int:
        """Operations that began and have not ended, also paused ones."""
        return self._busy.total()

    def close(self) -> None:
        """Let nothing more begin, and nobody wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def check_open(self) -> None:
        """Errors: ShuttingDown."""
        if self._closed:
            raise ShuttingDown(self._host)

    def enter(self, uuid: str) -> None:
        """An operation is about to take this node. Errors: ShuttingDown."""
        with self._changed:
            self.check_open()
            self._busy[uuid] += 1

    def leave(self, uuid: str) -> None:
        """It ended, or did not get the node."""
        with self._changed:
            self._busy[uuid] -= 1
            if not self._busy[uuid]:
                del self._busy[uuid]
            self._changed.notify_all()

    def wait_free(self, uuid: str, holder: str, seconds: float) -> None:
        """Until the node is free, for ``seconds`` at most.

        ``holder``: who had it when the caller looked. A node that another
        host has takes the whole time: nobody tells when it becomes free.
        """
        ours = holder == self._host
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (ours and uuid not in self._busy),
                seconds,
            )

    def wait_idle(self, seconds: float) -> bool:
        """Wait for all operations to end; False if some did not."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy, seconds)
