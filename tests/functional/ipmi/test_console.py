# SPDX-License-Identifier: Apache-2.0
"""Consoles of real controllers, read over TCP.

Times are scaled: signs of life come every half a second here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from baremetal_backend.conf.console import ConsoleSettings
from baremetal_backend.conf.settings import Settings
from baremetal_backend.drivers.console_server import ConsoleServers
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.errors import Taken
from baremetal_backend.drivers.ipmi.native import serial_over_lan
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from baremetal_backend.drivers.ipmi.ports import SerialOverLan
from baremetal_backend.storage import DatabaseOptions
from lab.ipmi import witness
from lab.ipmi.farm import Farm, SimulatedBmc
from lab.ipmi.faults import BLACKHOLE
from lab.ipmi.proxy import Proxies
from lab.ipmi.scripted import ScriptedBmc
from lab.ipmi.serial_line import SerialLine
from lab.ports import HIGHEST, LOOPBACK, LOWEST, accepts, free_port
from tests.backend.running import RunningBackend, until
from tests.functional.ipmi.asking import as_bmc

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))
INTERRUPTED = b"\r\n[The console is interrupted.]\r\n"
BACK = b"\r\n[The console is back.]\r\n"

#: Each byte with its place: what is missing or doubled shows.
LONG = "".join(f"<{number}>" for number in range(600)).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_over_lan, "_QUIET", 0.5)
    monkeypatch.setattr(serial_over_lan, "_SIGN_OF_LIFE", 2.0)
    monkeypatch.setattr(Taken, "pause", 0.5)


@pytest.fixture(scope="module")
def line() -> Iterator[SerialLine]:
    """The serial port of the machine behind ipmi_sim."""
    with SerialLine() as line:
        yield line


@pytest.fixture(scope="module")
def simulated(
    line: SerialLine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimulatedBmc]:
    directory = tmp_path_factory.mktemp("console")
    with Farm(directory, 1, own_process=True, serial_lines=[line.port]) as one:
        yield one[0]


class Reader:
    """A person at the console of one BMC."""

    def __init__(
        self, client: IpmiClient, bmc: Bmc, force: bool = False
    ) -> None:
        settings = dataclasses.replace(
            SETTINGS, console=ConsoleSettings(port_range=(LOWEST, HIGHEST))
        )
        self.read = b""
        self._servers = ConsoleServers(settings)
        self._servers.start()

        def open_line(received: Any, closed: Any) -> Future[SerialOverLan]:
            return client.open_console(bmc, received, closed, force=force)

        self._port = self._servers.serve("node", open_line)
        self.connection = self._connect()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((LOOPBACK, self._port), 10)
        connection.setblocking(False)
        return connection

    def come_back(self) -> None:
        self.leave()
        self.connection = self._connect()

    def type(self, data: bytes) -> None:
        self.connection.setblocking(True)
        self.connection.sendall(data)
        self.connection.setblocking(False)

    def has_read(self, data: bytes) -> bool:
        with contextlib.suppress(BlockingIOError):
            while more := self.connection.recv(65536):
                self.read += more
        return data in self.read

    def wait_for(self, data: bytes, seconds: float = 15) -> None:
        until(lambda: self.has_read(data), seconds, f"{data[:60]!r}")

    def wait_until_open(self, seconds: float = 15) -> None:
        until(lambda: self.lines == 1, seconds, "an open line")

    @property
    def lines(self) -> float:
        figures = {
            one.name: one.values[0][1] for one in self._servers.figures()
        }
        return figures["console_lines"]

    def leave(self) -> None:
        self.connection.close()

    def close(self) -> None:
        self.leave()
        self._servers.stop()


@contextlib.contextmanager
def reading(client: IpmiClient, bmc: Bmc, **how: Any) -> Iterator[Reader]:
    reader = Reader(client, bmc, **how)
    try:
        yield reader
    finally:
        reader.close()


def test_each_byte_arrives_once_and_in_order(
    client: IpmiClient, simulated: SimulatedBmc, line: SerialLine
) -> None:
    before = len(line.typed)
    with reading(client, as_bmc(simulated.target)) as reader:
        reader.wait_until_open()
        reader.type(LONG)
        until(lambda: len(line.typed) >= before + len(LONG), 15, "typing")
        assert line.typed[before:] == LONG
        line.write(LONG)
        reader.wait_for(LONG[-5:])
        assert reader.read == LONG


def test_each_byte_arrives_once_though_a_fifth_of_all_packets_is_lost(
    client: IpmiClient,
    simulated: SimulatedBmc,
    line: SerialLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # ipmi_sim takes 28 characters at a time, and waits a second before it
    # sends anything again.
    typed, written = LONG[:150], LONG[:400]
    monkeypatch.setattr(serial_over_lan, "_SIGN_OF_LIFE", 10.0)
    before = len(line.typed)
    with (
        Proxies(tmp_path, [simulated.target]) as proxies,
        reading(client, as_bmc(proxies[0].target)) as reader,
    ):
        reader.wait_until_open()
        proxies.spoil(drop=0.2, duplicate=0.2)
        reader.type(typed)
        line.write(written)
        until(lambda: len(line.typed) >= before + len(typed), 60, "typing")
        reader.wait_for(written[-5:], 60)
        assert line.typed[before:] == typed
        assert reader.read == written
        assert proxies[0].counts().lost > 0
        proxies.spoil()
        # The line is given back while there is still a way.
        reader.leave()
        until(lambda: reader.lines == 0, 15, "the end of the line")


def test_who_leaves_gives_the_line_and_the_session_back(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    with reading(client, as_bmc(scripted.target)) as reader:
        reader.wait_until_open()
        assert scripted.sessions == 1
        reader.leave()
        until(lambda: scripted.sessions == 0, 10, "the end of the session")
        assert scripted.count("06.49") == 1


def test_a_reader_who_comes_back_at_once_has_a_line(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    with reading(client, as_bmc(scripted.target)) as reader:
        for number in range(10):
            reader.come_back()
            reader.type(b"%d" % number)
            reader.wait_for(b"%d" % number)
        until(lambda: scripted.sessions == 1, 10, "the end of the others")


def test_a_controller_that_confuses_two_activations_loses_nothing(
    client: IpmiClient, simulated: SimulatedBmc, line: SerialLine
) -> None:
    # ipmi_sim takes a packet with the last number of the activation before
    # for a repetition.
    typed = b""
    before = len(line.typed)
    with reading(client, as_bmc(simulated.target)) as reader:
        for number in range(10):
            reader.come_back()
            reader.wait_until_open()
            reader.type(b"%d" % number)
            typed += b"%d" % number
            until(lambda: line.typed[before:] == typed, 10, "typing")  # noqa: B023


def test_a_controller_that_restarts_interrupts_the_console_only(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    with reading(client, as_bmc(scripted.target)) as reader:
        reader.wait_until_open()
        scripted.print("before")
        reader.wait_for(b"before")
        scripted.forget(seconds=0.5)
        reader.wait_for(BACK, 30)
        scripted.print("after")
        reader.wait_for(b"after")
        assert reader.read == b"before" + INTERRUPTED + BACK + b"after"


def test_a_network_that_was_away_does_not_leave_the_line_to_a_ghost(
    client: IpmiClient, scripted: ScriptedBmc, tmp_path: Path
) -> None:
    with (
        Proxies(tmp_path, [scripted.target]) as proxies,
        reading(client, as_bmc(proxies[0].target)) as reader,
    ):
        reader.wait_until_open()
        proxies[0].spoil(BLACKHOLE)
        reader.wait_for(INTERRUPTED)
        proxies[0].spoil()
        # The controller still has the old session, for 30 s.
        reader.wait_for(BACK, 15)


def test_a_client_whose_thread_hangs_interrupts_the_console_only(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    released = threading.Event()
    with reading(client, as_bmc(scripted.target)) as reader:
        reader.wait_until_open()
        pump = client.pump
        assert pump is not None
        pump.post(lambda: released.wait(30))
        try:
            reader.wait_for(BACK, 20)
        finally:
            released.set()
        reader.type(b"x")
        reader.wait_for(b"x")
        assert client.pump is not pump


def test_a_controller_that_drops_the_line_in_silence_is_found_out(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    with reading(client, as_bmc(scripted.target)) as reader:
        reader.wait_until_open()
        scripted.drop_console()
        reader.wait_for(BACK)
        reader.type(b"x")
        until(lambda: scripted.typed == "x", 10, "typing")


def test_a_controller_with_little_room_gets_everything(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    scripted.script(serial_takes=7)
    with reading(client, as_bmc(scripted.target)) as reader:
        reader.wait_until_open()
        reader.type(LONG[:200])
        until(lambda: len(scripted.typed) >= 200, 15, "typing")
        assert scripted.typed.encode() == LONG[:200]
        # It echoes.
        reader.wait_for(LONG[:200])


def test_what_ipmitool_deactivates_comes_back(
    client: IpmiClient, simulated: SimulatedBmc, line: SerialLine
) -> None:
    with reading(client, as_bmc(simulated.target)) as reader:
        reader.wait_until_open()
        witness.ipmitool(simulated.target, "sol", "deactivate")
        reader.wait_for(BACK)
        line.write(b"here again")
        reader.wait_for(b"here again")


@pytest.mark.parametrize("force", [False, True])
def test_a_line_of_another_session_is_waited_for_or_taken(
    client: IpmiClient, simulated: SimulatedBmc, force: bool
) -> None:
    ends: list[object] = []
    bmc = as_bmc(simulated.target)
    other = client.open_console(bmc, ends.append, ends.append).result(15)
    with reading(client, bmc, force=force) as reader:
        if force:
            reader.wait_until_open()
            until(lambda: len(ends) == 1, 10, "the end of the other")
        else:
            reader.wait_for(INTERRUPTED)
            assert ends == []
            other.close()
            reader.wait_for(BACK)


def test_a_console_outlives_the_service_with_the_same_url(
    simulated: SimulatedBmc, line: SerialLine, tmp_path: Path
) -> None:
    first = free_port()
    options: dict[str, Any] = {
        "DEFAULT": {"enabled_hardware_types": "ipmi"},
        "console": {"port_range": f"{first}:{first + 20}"},
    }
    service = RunningBackend(tmp_path, **options)
    try:
        node = service.node(driver="ipmi", driver_info=simulated.driver_info)
        path = f"/v1/nodes/{node['uuid']}/states/console"
        assert service.http("PUT", path, {"enabled": True}).status == 202
        shown = service.http("GET", path).json
        port = _port(shown)
        _speak(port, line)
        service.stop()
        assert not accepts(port)
        service = RunningBackend(tmp_path, **options)
        # Nobody has to ask for it, and nobody connects to see it.
        said = f"its console is at tcp://127.0.0.1:{port}"
        log = service.log
        until(lambda: log.read_text().count(said) == 2, 15, "the console")
        assert service.http("GET", path).json == shown
        _speak(port, line)
        assert service.http("PUT", path, {"enabled": False}).status == 202
        assert not accepts(port)
        shown = service.http("GET", path).json
        assert shown == {"console_enabled": False, "console_info": None}
        assert "Traceback" not in service.log.read_text()
    finally:
        service.stop()


def _port(shown: dict[str, Any]) -> int:
    assert shown["console_enabled"] is True
    info = shown["console_info"]
    assert info["type"] == "socat"
    found = re.fullmatch(r"tcp://127\.0\.0\.1:(\d+)", info["url"])
    assert found is not None
    return int(found[1])


def _speak(port: int, line: SerialLine) -> None:
    """Type something, and read an answer."""
    before = len(line.typed)
    with socket.create_connection((LOOPBACK, port), 15) as reader:
        reader.settimeout(15)
        reader.sendall(b"root\r")
        until(lambda: line.typed[before:] == b"root\r", 15, "typing")
        line.write(b"Password:")
        assert reader.recv(100) == b"Password:"
