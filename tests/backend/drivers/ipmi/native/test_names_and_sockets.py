# SPDX-License-Identifier: Apache-2.0
"""Names become addresses beside the pump; few sockets serve all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from baremetal_backend.drivers.ipmi.native.resolver import (
    Address,
    Found,
    Resolver,
    numeric,
)
from baremetal_backend.drivers.ipmi.native.sockets import Port, Sockets

SOMEWHERE: list[Address] = [(2, ("192.0.2.1", 623))]


class Asking:
    """Asks a resolver, and waits for what it finds."""

    def __init__(self, resolver: Resolver, host: str = "bmc7") -> None:
        self.found: Found | None = None
        self._done = threading.Event()
        resolver.resolve(host, 623, self._put)

    def _put(self, found: Found) -> None:
        self.found = found
        self._done.set()

    def wait(self) -> Found | None:
        self._done.wait(5)
        return self.found


@pytest.mark.parametrize(
    ("host", "family"),
    [("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6)],
)
def test_numbers_need_no_name_server(host: str, family: int) -> None:
    found = numeric(host, 623)
    assert found is not None
    assert found[0][0] == family


@pytest.mark.parametrize("host", ["bmc7", "bmc.example.org", "", "a" * 400])
def test_a_name_is_no_number(host: str) -> None:
    if host:
        assert numeric(host, 623) is None


def test_a_name_is_looked_up_once_and_kept_for_a_while() -> None:
    now = [0.0]
    asked: list[str] = []

    def look_up(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return SOMEWHERE

    resolver = Resolver(look_up, lambda: now[0])
    for _ in range(3):
        assert Asking(resolver).wait() == SOMEWHERE
    assert asked == ["bmc7"]
    now[0] = 31.0
    assert Asking(resolver).wait() == SOMEWHERE
    assert asked == ["bmc7", "bmc7"]
    resolver.stop()


def test_a_name_that_nobody_knows_is_said_and_soon_asked_again() -> None:
    now = [0.0]
    fails = [True]

    def look_up(host: str, port: int) -> Sequence[Address]:
        if fails[0]:
            raise socket.gaierror(-2, "Name or service not known")
        return SOMEWHERE

    resolver = Resolver(look_up, lambda: now[0])
    assert Asking(resolver).wait() == (
        "the name bmc7 has no address: Name or service not known"
    )
    fails[0] = False
    now[0] = 4.0
    assert Asking(resolver).wait() == SOMEWHERE
    resolver.stop()


def test_a_lookup_that_hangs_holds_up_no_other_name() -> None:
    hangs = threading.Event()

    def look_up(host: str, port: int) -> Sequence[Address]:
        if host == "slow":
            hangs.wait(10)
        return SOMEWHERE

    resolver = Resolver(look_up)
    slow, again = Asking(resolver, "slow"), Asking(resolver, "slow")
    assert Asking(resolver, "quick").wait() == SOMEWHERE
    assert slow.found is None
    hangs.set()
    assert slow.wait() == again.wait() == SOMEWHERE
    resolver.stop()


def test_there_are_never_more_than_four_threads() -> None:
    hangs = threading.Event()
    resolver = Resolver(lambda *_: SOMEWHERE if hangs.wait(10) else [])
    asking = [Asking(resolver, f"bmc{number}") for number in range(20)]
    names = [thread.name for thread in threading.enumerate()]
    threads = [one for one in names if one.startswith("baremetal-ipmi-names")]
    assert len(threads) == 4
    hangs.set()
    assert all(one.wait() == SOMEWHERE for one in asking)
    resolver.stop()


def sockets() -> tuple[Sockets[str], list[Port[str]]]:
    opened: list[Port[str]] = []
    return Sockets(opened.append, opened.remove), opened


def test_a_socket_has_an_address_once() -> None:
    made, opened = sockets()
    one = made.join(socket.AF_INET, ("127.0.0.1", 1), "a")
    other = made.join(socket.AF_INET, ("127.0.0.1", 1), "b")
    assert one is not other
    assert (one.peers, other.peers) == (
        {("127.0.0.1", 1): "a"},
        {("127.0.0.1", 1): "b"},
    )
    made.close()
    assert not opened


def test_64_share_a_socket_and_a_free_place_is_taken_again() -> None:
    made, opened = sockets()
    ports = [
        made.join(socket.AF_INET, ("127.0.0.1", number), str(number))
        for number in range(1, 130)
    ]
    assert len(opened) == 3
    made.leave(ports[0], ("127.0.0.1", 1))
    assert made.join(socket.AF_INET, ("127.0.0.1", 900), "x") is ports[0]
    made.close()


def test_a_socket_that_nobody_uses_is_closed() -> None:
    made, opened = sockets()
    port = made.join(socket.AF_INET, ("127.0.0.1", 1), "a")
    made.leave(port, ("127.0.0.1", 1))
    assert not opened
    assert port.socket.fileno() == -1
