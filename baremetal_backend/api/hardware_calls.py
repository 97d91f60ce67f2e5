# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for hardware: they never take all threads.

A controller that is gone costs such a request many seconds. Half of the
threads are for these requests at most; the others go on answering whoever
asks the database, or reports as a ramdisk.
"""

from __future__ import annotations

import functools
import threading
from typing import TypeVar, cast

from baremetal_backend.api.call import Answer, Call, Handler
from baremetal_backend.core.errors import Unavailable

H = TypeVar("H", bound=Handler)

# Seconds after which another try is worth it.
_RETRY = 5.0


class Places:
    """Places for requests that wait. ``threads``: of the server."""

    def __init__(self, threads: int) -> None:
        self._free = threading.Semaphore(max(1, threads // 2))

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise Unavailable(
                "Too many requests wait for hardware at this moment.",
                retry_after=_RETRY,
            )

    def __exit__(self, *_error: object) -> None:
        self._free.release()


def waits_for_hardware(handler: H) -> H:
    """Let the handler run only if there is a place. Errors: Unavailable."""

    @functools.wraps(handler)
    def placed(call: Call, **path: str) -> Answer:
        with call.services.places:
            return handler(call, **path)

    return cast(H, placed)


__all__ = ["Places", "waits_for_hardware"]
