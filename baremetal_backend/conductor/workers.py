# SPDX-License-Identifier: Apache-2.0
"""Threads for long work, with a cap that is kept.

A lane admits as many pieces of work as it has threads: what is admitted runs
at once, what is not is refused at once. Nothing waits in a queue where nobody
sees it. Work that was admitted before and pauses gives its place back and
gets one again when it goes on (``go_on`` never refuses).

The standard library's pool is used, not futurist's: that one's threads have
no names, each wakes every second, and it starts a thread for every piece of
work until it is full.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from baremetal_backend.core.errors import NoFreeWorker

LOG = logging.getLogger(__name__)


class Lane:
    """A pool of named threads. Owned by the runtime, which stops it."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._busy = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(
            max_workers=size, thread_name_prefix=f"baremetal-{name}"
        )

    @property
    def busy(self) -> int:
        """Pieces of work that run, or that go on as soon as a thread ends."""
        return self._busy

    def admit(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread now. Errors: NoFreeWorker."""
        with self._lock:
            if self._busy >= self.size:
                raise NoFreeWorker(retry_after=1.0)
            self._busy += 1
        self._submit(work)

    def go_on(self, work: Callable[[], None]) -> None:
        """Run the rest of work that was admitted before."""
        with self._lock:
            self._busy += 1
        self._submit(work)

    def stop(self) -> None:
        """Take nothing more; threads that still run are left alone."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], None]) -> None:
        try:
            self._pool.submit(self._run, work)
        except RuntimeError:
            with self._lock:
                self._busy -= 1
            raise NoFreeWorker(retry_after=5.0) from None

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            LOG.exception("Work in lane %s failed.", self.name)
        finally:
            with self._lock:
                self._busy -= 1
