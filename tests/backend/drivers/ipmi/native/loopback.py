# SPDX-License-Identifier: Apache-2.0
"""Scripted controllers on loopback, in a thread of the test."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.drivers.ipmi.bmc import Bmc, Secret
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from lab.ipmi.controller import Controller
from lab.ipmi.machine import Machine, Script


class Server:
    """A controller behind a port. Its script may be changed at any time."""

    def __init__(self, family: int, host: str) -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        #: Whether a datagram that arrives is lost.
        self.deaf: Callable[[bytes], bool] = lambda _: False
        #: What is sent instead of an answer.
        self.says: Callable[[bytes], bytes] = lambda datagram: datagram
        self.script = Script(max_sessions=63)
        self.machine = Machine(self.script, lambda _, do: do())
        self.controller = Controller(
            self.machine, self.port, self._send, lambda _, do: do()
        )

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def bmc(self) -> Bmc:
        return Bmc(
            address=self.socket.getsockname()[0],
            port=self.port,
            username=b"admin",
            password=Secret(b"secret"),
        )

    def read(self) -> None:
        datagram, client = self.socket.recvfrom(4096)
        if not self.deaf(datagram):
            self.controller.received(datagram, client)

    def _send(self, datagram: bytes, client: tuple[Any, ...]) -> None:
        answer = self.says(datagram)
        if answer:
            self.socket.sendto(answer, client)


class Servers:
    """A context manager; ``servers[0]`` is the first."""

    def __init__(self, count: int, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._servers = [Server(family, host) for _ in range(count)]
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Servers:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        self._thread.join(5)
        for server in self._servers:
            server.socket.close()

    def __getitem__(self, number: int) -> Server:
        return self._servers[number]

    def __iter__(self) -> Iterator[Server]:
        return iter(self._servers)

    @property
    def bmcs(self) -> list[Bmc]:
        return [server.bmc for server in self._servers]

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for server in self._servers:
                selector.register(server.socket, selectors.EVENT_READ, server)
            while not self._ends.is_set():
                for key, _ in selector.select(0.05):
                    key.data.read()


def settings(**values: Any) -> Settings:
    """What the client reads of them."""
    return cast(Settings, SimpleNamespace(ipmi=IpmiSettings(**values)))


class Running:
    """A client that runs: a context manager."""

    def __init__(self, **values: Any) -> None:
        self.client = IpmiClient(settings(**values))

    def __enter__(self) -> IpmiClient:
        self.client.start()
        return self.client

    def __exit__(self, *error: object) -> None:
        self.client.stop()
