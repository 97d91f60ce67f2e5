# SPDX-License-Identifier: Apache-2.0
"""The settings that are in force, while they may be replaced.

A reader takes the snapshot when it needs a value and keeps none of it; a
reload swaps one reference.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from baremetal_backend.conf.settings import Settings

LOG = logging.getLogger(__name__)


class Current:
    """Holds one ``Settings``. Owned by the runtime, read by all threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._followers: list[Callable[[Settings], None]] = []
        self._checks: list[Callable[[Settings], object]] = []
        self._lock = threading.Lock()

    @property
    def settings(self) -> Settings:
        """The snapshot in force."""
        return self._settings

    def follow(
        self,
        tell: Callable[[Settings], None],
        check: Callable[[Settings], object] = lambda settings: None,
    ) -> None:
        """Call ``tell`` with each new snapshot, in the reloading thread.

        ``check`` sees it before, and may refuse it: ConfigurationError.
        """
        with self._lock:
            self._followers.append(tell)
            self._checks.append(check)

    def check(self, settings: Settings) -> None:
        """Ask all followers. Errors: ConfigurationError."""
        for check in tuple(self._checks):
            check(settings)

    def swap(self, settings: Settings) -> None:
        """Put a new snapshot into force; a follower's failure is its own."""
        with self._lock:
            self._settings = settings
            followers = tuple(self._followers)
        for tell in followers:
            try:
                tell(settings)
            except Exception:
                LOG.exception("A part of the service did not reload.")
