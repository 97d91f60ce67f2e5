# SPDX-License-Identifier: Apache-2.0
"""How often something happened to an attempt, in this process.

For what counts only when it happens repeatedly: a conductor that starts anew
counts anew.
"""

from __future__ import annotations

import threading
from collections.abc import Container

from baremetal_backend.drivers.discoverd.attempt import Attempt


class Repeats:
    """Counts by node, for its latest attempt. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, tuple[str, int]] = {}

    def of(self, uuid: str, attempt: Attempt) -> int:
        """What was counted."""
        ident, count = self._counts.get(uuid, ("", 0))
        return count if ident == attempt.id else 0

    def count(self, uuid: str, attempt: Attempt) -> int:
        """Once more; how often it is now."""
        with self._lock:
            count = self.of(uuid, attempt) + 1
            self._counts[uuid] = attempt.id, count
        return count

    def forget(self, uuid: str) -> None:
        """Begin anew with this node."""
        with self._lock:
            self._counts.pop(uuid, None)

    def keep(self, uuids: Container[str]) -> None:
        """Forget all other nodes."""
        with self._lock:
            self._counts = {
                uuid: counted
                for uuid, counted in self._counts.items()
                if uuid in uuids
            }


__all__ = ["Repeats"]
