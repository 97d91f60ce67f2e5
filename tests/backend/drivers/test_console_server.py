# SPDX-License-Identifier: Apache-2.0
"""Consoles on real sockets of the loopback interface."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading

import pytest

from baremetal_backend.conf.console import ConsoleSettings
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.drivers import console_server
from baremetal_backend.drivers.console_server import ConsoleServers, NoPort
from baremetal_backend.storage import DatabaseOptions
from lab.ports import HIGHEST, LOOPBACK, LOWEST, free_port
from tests.backend.running import until
from tests.fakes.serial_line import FakeMachine

FAREWELL = b"\r\n[The console was switched off.]\r\n"
SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))


def configured(**console):
    return dataclasses.replace(SETTINGS, console=ConsoleSettings(**console))


@pytest.fixture
def range_():
    """Ports that are not taken for outgoing connections."""
    return LOWEST, HIGHEST


@pytest.fixture
def servers(range_):
    servers = ConsoleServers(configured(port_range=range_))
    servers.start()
    yield servers
    servers.stop()


def connect(port, host=LOOPBACK):
    return socket.create_connection((host, port), timeout=10)


def read(connection, size):
    data = b""
    while len(data) < size:
        got = connection.recv(size - len(data))
        if not got:
            break
        data += got
    return data


def read_all(connection):
    return read(connection, 1 << 20)


def test_bytes_go_through_in_both_directions(servers):
    machine = FakeMachine()
    port = servers.serve("n", machine)
    with connect(port) as reader:
        reader.sendall(b"root\r\xff\x00")
        until(lambda: machine.lines, 5, "a line")
        until(lambda: machine.line.typed == b"root\r\xff\x00", 5, "typing")
        machine.line.write(b"\x1b[2Jlogin: ")
        assert read(reader, 11) == b"\x1b[2Jlogin: "
    until(lambda: machine.line.is_closed, 5, "the end of the line")


def test_a_book_that_is_typed_at_once_is_typed_in_pieces(servers):
    """A line takes only so much at a time, and drops the rest."""
    machine = FakeMachine()
    port = servers.serve("n", machine)
    pieces = []
    with connect(port) as reader:
        until(lambda: machine.lines, 5, "a line")
        machine.line.send = lambda data: pieces.append(len(data))
        reader.sendall(bytes(300000))
        until(lambda: sum(pieces) == 300000, 10, "all of it")
    assert max(pieces) <= 4096


def test_a_second_reader_gets_a_line_and_is_closed(servers):
    machine = FakeMachine()
    port = servers.serve("n", machine)
    with connect(port) as first:
        until(lambda: machine.lines, 5, "a line")
        with connect(port) as second:
            assert b"has a reader already" in read_all(second)
        machine.line.write(b"x")
        assert read(first, 1) == b"x"


def test_nodes_have_ports_of_their_own_from_the_range(servers, range_):
    first = servers.serve("a", FakeMachine())
    second = servers.serve("b", FakeMachine())
    assert range_[0] <= first < second <= range_[1]
    assert servers.served == {"a": first, "b": second}
    assert servers.url(first) == f"tcp://127.0.0.1:{first}"


def test_a_console_that_is_served_stays_as_it_is(servers):
    machine = FakeMachine()
    port = servers.serve("n", machine)
    with connect(port) as reader:
        until(lambda: machine.lines, 5, "a line")
        assert servers.serve("n", FakeMachine(), port=free_port()) == port
        machine.line.write(b"x")
        assert read(reader, 1) == b"x"


def test_a_port_of_the_nodes_own_is_used_or_refused(servers):
    port = free_port()
    assert servers.serve("a", FakeMachine(), port=port) == port
    with pytest.raises(NoPort, match=f"port {port} of .*in use"):
        servers.serve("b", FakeMachine(), port=port)
    assert servers.served == {"a": port}


def test_the_port_of_before_is_used_again_if_it_is_free(servers):
    wanted = free_port()
    assert servers.serve("a", FakeMachine(), rather=wanted) == wanted
    assert servers.serve("b", FakeMachine(), rather=wanted) != wanted


def test_a_port_that_is_in_the_range_no_longer_is_not_used_again(
    servers, range_
):
    port = servers.serve("a", FakeMachine(), rather=range_[1] + 1)
    assert range_[0] <= port <= range_[1]


def test_a_range_that_is_used_up_is_named():
    port = free_port()
    servers = ConsoleServers(configured(port_range=(port, port)))
    servers.start()
    try:
        servers.serve("a", FakeMachine())
        with pytest.raises(NoPort, match=r"\[console\]port_range"):
            servers.serve("b", FakeMachine())
    finally:
        servers.stop()


def test_a_console_that_is_closed_sends_its_reader_away(servers):
    machine = FakeMachine()
    port = servers.serve("n", machine)
    with connect(port) as reader:
        until(lambda: machine.lines, 5, "a line")
        servers.close("n")
        assert b"switched off" in read_all(reader)
    assert machine.line.is_closed
    with pytest.raises(ConnectionRefusedError):
        connect(port)
    assert servers.served == {}
    servers.close("n")


def test_a_port_is_free_again_at_once(servers):
    port = servers.serve("n", FakeMachine())
    with connect(port) as reader:
        servers.close("n")
        read_all(reader)
    assert servers.serve("n", FakeMachine(), port=port) == port


def test_a_reader_who_comes_at_the_end_is_not_left_hanging(servers):
    for _ in range(100):
        with connect(servers.serve("n", FakeMachine())) as reader:
            servers.close("n")
            # A timeout is what must not happen.
            with contextlib.suppress(ConnectionResetError):
                assert read_all(reader) in (b"", FAREWELL)


def test_the_end_closes_readers_and_lines_and_leaves_no_thread(range_):
    servers = ConsoleServers(configured(port_range=range_))
    servers.start()
    machine = FakeMachine()
    port = servers.serve("n", machine)
    with connect(port) as reader:
        until(lambda: machine.lines, 5, "a line")
        servers.stop()
        assert b"switched off" in read_all(reader)
    assert machine.line.is_closed
    names = [one.name for one in threading.enumerate()]
    assert "baremetal-console" not in names
    with pytest.raises(NoPort, match="not served now"):
        servers.serve("n", machine)
    servers.stop()


def test_a_thread_that_hangs_holds_nobody_up_for_long(servers, monkeypatch):
    monkeypatch.setattr(console_server, "_PATIENCE", 0.2)
    servers.serve("n", FakeMachine())
    released = threading.Event()
    servers._loop.call_soon_threadsafe(released.wait, 10)
    try:
        with pytest.raises(NoPort, match="did not answer"):
            servers.serve("other", FakeMachine())
        servers.close("n")
        assert servers.served == {}
    finally:
        released.set()


def test_an_address_that_is_not_ours_stops_the_start():
    servers = ConsoleServers(configured(socat_address="192.0.2.1"))
    with pytest.raises(
        ConfigurationError, match=r'\[console\]socat_address: "192\.0\.2\.1"'
    ):
        servers.start()


def test_consoles_are_served_on_ipv6(range_):
    servers = ConsoleServers(
        configured(socat_address="::1", port_range=range_)
    )
    servers.start()
    try:
        machine = FakeMachine()
        port = servers.serve("n", machine)
        assert servers.url(port) == f"tcp://[::1]:{port}"
        with connect(port, "::1") as reader:
            until(lambda: machine.lines, 5, "a line")
            machine.line.write(b"x")
            assert read(reader, 1) == b"x"
    finally:
        servers.stop()


def test_the_figures_count_consoles_readers_and_lines(servers):
    def figures():
        return {one.name: one.values[0][1] for one in servers.figures()}

    machine = FakeMachine(at_once=False)
    port = servers.serve("n", machine)
    servers.serve("other", FakeMachine())
    with connect(port):
        until(lambda: machine.openings, 5, "an opening")
        assert figures() == {
            "console_served": 2,
            "console_readers": 1,
            "console_lines": 0,
        }
        machine.openings[0]()
        until(lambda: figures()["console_lines"] == 1, 5, "an open line")


def test_a_fault_of_one_console_is_no_other_ones(servers):
    broken, good = FakeMachine(), FakeMachine()
    first = servers.serve("broken", broken)
    second = servers.serve("good", good)
    with connect(first) as one, connect(second) as other:
        until(lambda: broken.lines and good.lines, 5, "lines")
        broken.line.send = None
        one.sendall(b"x")
        until(lambda: broken.line.is_closed, 5, "the end of the broken one")
        other.sendall(b"y")
        until(lambda: good.line.typed == b"y", 5, "typing")
