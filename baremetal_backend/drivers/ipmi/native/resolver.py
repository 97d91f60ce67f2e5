# SPDX-License-Identifier: Apache-2.0
"""Host names become addresses, beside the pump: ``getaddrinfo`` blocks.

Addresses that are numbers need no thread. A name is looked up once at a time
whoever asks, and kept for a short while. Whoever asks has a deadline of his
own: a name server that hangs delays names only.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: As sockets want it, with its family first.
Address = tuple[int, tuple[Any, ...]]

#: Addresses in the order to try, or why there are none.
Found = Sequence[Address] | str

Then = Callable[[Found], None]

_THREADS: Final = 4
_KEPT: Final = 30.0
_KEPT_FAILURE: Final = 3.0


@dataclass(frozen=True, slots=True)
class _Known:
    found: Found
    until: float


def numeric(host: str, port: int) -> Found | None:
    """The address that is written as numbers; None: it is a name."""
    try:
        return [(socket.AF_INET, (_dotted(host), port))]
    except (OSError, UnicodeError, ValueError):
        pass
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None


def _dotted(host: str) -> str:
    """An IPv4 address as sockets write it. Errors: OSError, ValueError."""
    octets = socket.inet_pton(socket.AF_INET, host)
    return socket.inet_ntop(socket.AF_INET, octets)


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    return list(dict.fromkeys((int(row[0]), row[4]) for row in rows))


class Resolver:
    """Threads ``baremetal-ipmi-names-N``: at most four, made when needed.

    They are daemons: a lookup that hangs can't be ended.
    """

    def __init__(
        self,
        look_up: Callable[[str, int], Sequence[Address]] = _look_up,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: queue.SimpleQueue[tuple[str, int] | None] = (
            queue.SimpleQueue()
        )
        self._waiting: dict[tuple[str, int], list[Then]] = {}
        self._known: dict[tuple[str, int], _Known] = {}
        self._threads: list[threading.Thread] = []
        self._idle = 0

    def resolve(self, host: str, port: int, then: Then) -> None:
        """``then`` is called once, at once or in a thread of this one."""
        name = (host, port)
        with self._lock:
            known = self._known.get(name)
            if known is None or known.until < self._clock():
                waiting = self._waiting.get(name)
                if waiting is not None:
                    waiting.append(then)
                    return
                self._waiting[name] = [then]
                self._ensure_thread()
                self._asked.put(name)
                return
        then(known.found)

    def stop(self) -> None:
        """Threads that are not within a lookup end."""
        for _ in self._threads:
            self._asked.put(None)

    def _ensure_thread(self) -> None:
        if len(self._waiting) <= len(self._threads) or (
            len(self._threads) >= _THREADS
        ):
            return
        thread = threading.Thread(
            target=self._run,
            name=f"baremetal-ipmi-names-{len(self._threads)}",
            daemon=True,
        )
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (name := self._asked.get()) is not None:
            found, kept = self._found(*name)
            with self._lock:
                now = self._clock()
                self._known = {
                    one: known
                    for one, known in self._known.items()
                    if known.until >= now
                }
                self._known[name] = _Known(found, now + kept)
                waiting = self._waiting.pop(name)
            for then in waiting:
                then(found)

    def _found(self, host: str, port: int) -> tuple[Found, float]:
        try:
            found = self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            text = getattr(error, "strerror", None) or str(error)
            return f"the name {host} has no address: {text}", _KEPT_FAILURE
        return found, _KEPT


__all__ = ["Address", "Found", "Resolver", "numeric"]
