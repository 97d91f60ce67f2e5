# SPDX-License-Identifier: Apache-2.0
"""The loop of a process of the lab: datagrams, timers, and its remote.

One thread, no locks. The remote is a Unix socket on which another process
calls methods of one object: a line of JSON each way.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import selectors
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

Datagram = Callable[[bytes, tuple[Any, ...]], None]


class Loop:
    """Owned by the main thread of its process."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def udp(
        self, received: Datagram, address: str = "127.0.0.1", port: int = 0
    ) -> socket.socket:
        """A socket that is bound there and calls for each datagram."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((address, port))
        made.setblocking(False)

        def readable() -> None:
            for _ in range(64):
                try:
                    datagram, sender = made.recvfrom(4096)
                except BlockingIOError:
                    return
                except OSError:  # an answer that nobody waited for
                    continue
                received(datagram, sender)

        self._selector.register(made, selectors.EVENT_READ, readable)
        return made

    def close(self, made: socket.socket) -> None:
        """Watch it no longer."""
        self._selector.unregister(made)
        made.close()

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Call it then."""
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._numbers), do))

    def listen(self, name: str, target: object) -> None:
        """Let others call the public methods of an object."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(_place(name))
        server.listen()

        def accept() -> None:
            caller, _ = server.accept()
            file = caller.makefile("rwb")

            def readable() -> None:
                line = file.readline()
                if not line:
                    self._selector.unregister(caller)
                    file.close()
                    caller.close()
                    return
                with contextlib.suppress(BrokenPipeError):
                    file.write(_answer(target, line))
                    file.flush()

            self._selector.register(caller, selectors.EVENT_READ, readable)

        self._selector.register(server, selectors.EVENT_READ, accept)

    def run(self) -> None:
        """For ever."""
        while True:
            pause = 60.0
            while self._timers:
                pause = self._timers[0][0] - time.monotonic()
                if pause > 0:
                    break
                heapq.heappop(self._timers)[2]()
                pause = 60.0
            for key, _ in self._selector.select(pause):
                key.data()


def _place(name: str) -> str:
    # Linux' own kind: no file, and so no limit of 107 bytes of a path.
    return "\0" + name


def _answer(target: object, line: bytes) -> bytes:
    name, keywords = json.loads(line)
    try:
        if name.startswith("_"):
            raise AttributeError(name)
        answer = {"result": getattr(target, name)(**keywords)}
    except Exception as error:
        answer = {"error": repr(error)}
    return json.dumps(answer).encode() + b"\n"


class RemoteFailed(Exception):
    """The other process says why."""


class Remote:
    """Calls methods of the object in the other process. One thread."""

    def __init__(self) -> None:
        #: For the other process to listen at.
        self.name = f"lab-{uuid.uuid4().hex}"
        self._file: Any = None

    def call(self, name: str, **keywords: Any) -> Any:
        """Its result.

        :raises RemoteFailed: the method raised an error
        :raises OSError: the process is not there
        """
        if self._file is None:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(10)
            made.connect(_place(self.name))
            self._file = made.makefile("rwb")
            made.close()
        self._file.write(json.dumps([name, keywords]).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        if not line:
            self.hang_up()
            raise ConnectionResetError(f"nobody at {self.name}")
        answer = json.loads(line)
        if "error" in answer:
            raise RemoteFailed(answer["error"])
        return answer["result"]

    def hang_up(self) -> None:
        """The process is no longer the same."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def answers(self) -> bool:
        """Whether the process is there."""
        try:
            return bool(self.call("ready"))
        except OSError:
            self.hang_up()
            return False


__all__ = ["Loop", "Remote", "RemoteFailed"]
