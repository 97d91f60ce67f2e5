# SPDX-License-Identifier: Apache-2.0
"""Serves nodes' consoles on TCP, each on a port of its own.

Plain TCP without a protocol: what a reader sends is typed, what the node
writes is sent. Ports are bound in the caller's thread, so that a port that
can't be had is said at once; all else happens in one thread,
``baremetal-console``, which never waits for a node.

It must not know how a line to a node is opened.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
import threading
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers import base
from baremetal_backend.drivers.served_console import Opener, ServedConsole

LOG = logging.getLogger(__name__)

# Seconds that a caller waits for the thread: it only ever has short work.
_PATIENCE: Final = 5.0

# Seconds for readers to take the last line before their connections end.
_FAREWELL: Final = 0.2

# Bytes that are read of a reader at a time.
_PIECE: Final = 4096

# A reader that is gone without a word is noticed after about a minute: seconds
# of silence, between two questions, and questions.
_SILENCE, _BETWEEN, _QUESTIONS = 30, 10, 3
_UNACKNOWLEDGED_MS: Final = 60000


class NoPort(Exception):
    """A console can't be served on this port, on any, or now. Says why."""


@dataclass(frozen=True, slots=True)
class _Served:
    console: ServedConsole
    server: asyncio.Server
    port: int


class ConsoleServers(base.Equipment):
    """All consoles of this process. Its methods may be called in any thread.

    A console is known by a name: the uuid of its node.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._console = settings.console
        self._lock = threading.Lock()
        self._served: dict[str, _Served] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to run. Errors: ConfigurationError (address)."""
        try:
            self._bound(0).close()
        except OSError as error:
            raise ConfigurationError(
                f'[console]socat_address: "{self._console.socat_address}": '
                f"no console can be served there: {error}."
            ) from error
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_fault)
        self._thread = threading.Thread(
            target=self._run,
            args=(self._loop,),
            name="baremetal-console",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Close all consoles, and end."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        with self._lock:
            read = any(one.console.has_reader for one in self._served.values())
        for name in self.served:
            self.close(name)
        farewell = _FAREWELL if read else 0.0
        loop.call_soon_threadsafe(loop.call_later, farewell, loop.stop)
        thread.join(_PATIENCE)
        self._loop = self._thread = None
        if thread.is_alive():
            LOG.error("Thread %s does not end.", thread.name)

    @property
    def served(self) -> Mapping[str, int]:
        """The ports of all consoles by their names, as of now."""
        with self._lock:
            return {name: one.port for name, one in self._served.items()}

    def serve(
        self,
        name: str,
        open_line: Opener,
        port: int | None = None,
        rather: int | None = None,
    ) -> int:
        """Serve a console; the port. One that is served stays as it is.

        ``port``: this one and no other. Otherwise the first free one of
        ``[console]port_range``, or ``rather`` if that is one. Errors: NoPort.
        """
        with self._lock:
            if name not in self._served:
                self._served[name] = self._begin(name, open_line, port, rather)
            return self._served[name].port

    def close(self, name: str) -> None:
        """Serve it no more; nothing happens if it is not served."""
        with self._lock:
            served = self._served.pop(name, None)
            if served is None:
                return
            try:
                self._in_thread(_end(served))
            except NoPort as error:
                LOG.error("Node %s: console not closed: %s.", name, error)
            else:
                LOG.info("Node %s: its console is closed.", name)

    def url(self, port: int) -> str:
        """Where readers find it: ``tcp://host:port``."""
        host = self._console.socat_address
        return (
            f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
        )

    def figures(self) -> Iterable[Figure]:
        """How many consoles there are, and what of them is in use."""
        with self._lock:
            consoles = [one.console for one in self._served.values()]
        for name, meaning, number in (
            ("served", "Consoles that are served.", len(consoles)),
            (
                "readers",
                "Consoles that somebody reads.",
                sum(one.has_reader for one in consoles),
            ),
            (
                "lines",
                "Consoles with an open line to their nodes.",
                sum(one.is_open for one in consoles),
            ),
        ):
            yield Figure(
                f"console_{name}", meaning, "gauge", (), (((), float(number)),)
            )

    # -- one console ----------------------------------------------------------

    def _begin(
        self,
        name: str,
        open_line: Opener,
        port: int | None,
        rather: int | None,
    ) -> _Served:
        loop = self._loop
        if loop is None:
            raise NoPort("consoles are not served now")
        listener = self._listener(port, rather)
        number = int(listener.getsockname()[1])
        console = ServedConsole(
            name, loop, open_line, self._console.terminal_timeout
        )
        try:
            server = self._in_thread(
                loop.create_server(
                    lambda: _Connection(console), sock=listener, backlog=4
                )
            )
        except BaseException:
            listener.close()
            raise
        LOG.info("Node %s: its console is at %s.", name, self.url(number))
        return _Served(console, server, number)

    def _listener(self, port: int | None, rather: int | None) -> socket.socket:
        first, last = self._console.port_range
        wanted: Iterable[int] = (port or 0,)
        if port is None:
            mine = {one.port for one in self._served.values()}
            free = (one for one in range(first, last + 1) if one not in mine)
            wanted = free
            if rather is not None and first <= rather <= last:
                wanted = itertools.chain((rather,), free)
        for number in wanted:
            try:
                return self._bound(number)
            except OSError as error:
                if port is not None or error.errno != errno.EADDRINUSE:
                    raise NoPort(
                        f"port {number} of {self._console.socat_address}: "
                        f"{error.strerror or error}"
                    ) from error
        raise NoPort(
            f"all ports from {first} to {last} are in use "
            "([console]port_range)"
        )

    def _bound(self, port: int) -> socket.socket:
        """Errors: OSError."""
        family, kind, protocol, _, address = socket.getaddrinfo(
            self._console.socat_address, port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind(address)
            bound.listen(4)
        except BaseException:
            bound.close()
            raise
        return bound

    # -- the thread -----------------------------------------------------------

    def _in_thread(self, work: Coroutine[Any, Any, Any]) -> Any:
        loop = self._loop
        if loop is None:
            work.close()
            raise NoPort("consoles are not served now")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(_PATIENCE)
        except TimeoutError:
            future.cancel()
            raise NoPort(
                f"its thread did not answer in {_PATIENCE:.0f} s"
            ) from None

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()


class _Connection(asyncio.BufferedProtocol):
    """A reader's connection, handed on in small pieces.

    A whole book that is typed at once must not pass a line that is slow
    before anybody can say so.
    """

    def __init__(self, console: ServedConsole) -> None:
        self._console = console
        self._transport: Any = None
        self._piece = bytearray(_PIECE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        _notice_its_death(transport.get_extra_info("socket"))
        self._console.arrived(self._transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        self._console.typed(self._transport, bytes(self._piece[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._console.left(self._transport)


async def _end(served: _Served) -> None:
    # A connection that asyncio is about to accept when its server is closed
    # is neither served nor closed (Python 3.11): first let none come, then
    # let those that came arrive.
    for listener in served.server.sockets:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    served.server.close()
    served.console.end()


def _notice_its_death(connection: socket.socket) -> None:
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _QUESTIONS),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ):
        connection.setsockopt(level, option, value)


def _log_fault(
    loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """One console's fault is no other's."""
    LOG.error(
        "Consoles: %s",
        context.get("message"),
        exc_info=context.get("exception"),
    )


__all__ = ["ConsoleServers", "NoPort"]
