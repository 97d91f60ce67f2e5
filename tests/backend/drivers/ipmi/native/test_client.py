# SPDX-License-Identifier: Apache-2.0
"""The client as a whole, with controllers on loopback."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    POWER_UP,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Unanswered,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from baremetal_backend.drivers.ipmi.ports import Answered
from tests.backend.drivers.ipmi.native.exchange import in_session
from tests.backend.drivers.ipmi.native.loopback import (
    Running,
    Servers,
    settings,
)

STATUS = Response(b"\x00\x00\x00")
RESET = "00.02 03"


@pytest.fixture
def client() -> Iterator[IpmiClient]:
    with Running() as running:
        yield running


def ask_all(
    client: IpmiClient, bmcs: list[Bmc], seconds: float = 5.0
) -> list[Answered]:
    """Background questions to all; waits for all answers."""
    answers: dict[int, Answered] = {}
    complete = threading.Event()

    def done(number: int, answered: Answered) -> None:
        assert number not in answers
        answers[number] = answered
        if len(answers) == len(bmcs):
            complete.set()

    for number, bmc in enumerate(bmcs):
        client.ask(
            bmc,
            CHASSIS_STATUS,
            seconds,
            lambda answered, number=number: done(number, answered),  # type: ignore[misc]
        )
    assert complete.wait(seconds + 3)
    return [answers[number] for number in range(len(bmcs))]


def test_many_are_asked_at_a_time(client: IpmiClient) -> None:
    with Servers(150) as servers:
        for _ in range(2):
            answers = ask_all(client, servers.bmcs)
            assert [one.outcome for one in answers] == [STATUS] * 150


def test_a_socket_serves_64_controllers_however_often_they_log_in(
    client: IpmiClient,
) -> None:
    """pyghmi's count of them goes wrong with each logout."""
    with Servers(130) as servers:
        for _ in range(3):
            ask_all(client, servers.bmcs)
            for bmc in servers.bmcs:
                client.forget(bmc)
        ask_all(client, servers.bmcs)
        assert client.pump is not None
        assert len(client.pump._sockets) == 3
        assert all(
            len(port.peers) <= 64 for port in client.pump._sockets._ports
        )


def test_no_answer_waits_for_a_timer_whoever_asks(client: IpmiClient) -> None:
    """pyghmi's callers miss one in three and find it up to 24 s later."""
    with Servers(8) as servers:
        for bmc in servers.bmcs:
            client.call(bmc, CHASSIS_STATUS)

        def one_by_one(bmc: Bmc) -> float:
            slowest = 0.0
            for _ in range(60):
                before = time.monotonic()
                client.call(bmc, CHASSIS_STATUS)
                slowest = max(slowest, time.monotonic() - before)
            return slowest

        with ThreadPoolExecutor(8) as pool:
            assert max(pool.map(one_by_one, servers.bmcs)) < 1.0
        assert client.pump is not None
        assert client.pump.counts["repetitions"] < 10


def test_a_login_that_stops_at_its_last_step_stops_nobody_else(
    client: IpmiClient,
) -> None:
    with Servers(6) as servers:
        servers[0].deaf = in_session
        stuck = client.submit(servers[0].bmc, CHASSIS_STATUS, 2.0)
        before = time.monotonic()
        for bmc in servers.bmcs[1:]:
            assert client.call(bmc, CHASSIS_STATUS) == STATUS
        assert time.monotonic() - before < 1.0
        with pytest.raises(Unreachable):
            stuck.result(4)


def test_a_busy_controller_blocks_neither_the_pump_nor_the_caller(
    client: IpmiClient,
) -> None:
    with Servers(2) as servers:
        slow, quick = servers.bmcs
        client.call(slow, CHASSIS_STATUS)
        servers[0].deaf = lambda _: True
        before = time.monotonic()
        waiting = [client.submit(slow, POWER_UP, 1.5) for _ in range(20)]
        assert client.call(quick, CHASSIS_STATUS) == STATUS
        assert time.monotonic() - before < 1.0
        for future in waiting:
            with pytest.raises(Unreachable):
                future.result(4)
        assert time.monotonic() - before < 2.5


def test_more_files_than_select_can_count(client: IpmiClient) -> None:
    """pyghmi's thread dies of a socket above 1023, and all sessions with it.

    No error: they hang.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1400 if hard == resource.RLIM_INFINITY else min(1400, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    with contextlib.ExitStack() as files:
        files.callback(
            resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard)
        )
        for _ in range(1100):
            file = os.open(os.devnull, os.O_RDONLY)
            files.callback(os.close, file)
        with Servers(1) as servers:
            assert client.call(servers[0].bmc, CHASSIS_STATUS) == STATUS
            assert client.pump is not None
            port = client.pump._sockets._ports[0]
            assert port.socket.fileno() > 1023


def test_a_forked_process_has_no_client_and_is_told(
    client: IpmiClient,
) -> None:
    """Of stock pyghmi the child waits for ever."""
    with Servers(1) as servers:
        bmc = servers[0].bmc
        client.call(bmc, CHASSIS_STATUS)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                client.call(bmc, CHASSIS_STATUS, 5.0)
            except IpmiError as error:
                os.write(write, str(error).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            assert "of another process" in pipe.read()
        os.waitpid(child, 0)
        assert client.call(bmc, CHASSIS_STATUS) == STATUS


def test_rubbish_of_one_controller_is_its_own_affair(
    client: IpmiClient,
) -> None:
    with Servers(3) as servers:
        servers[0].says = lambda datagram: os.urandom(60)
        before = time.monotonic()
        answers = ask_all(client, servers.bmcs, 1.0)
        assert [one.outcome for one in answers[1:]] == [STATUS, STATUS]
        assert max(one.seconds for one in answers[1:]) < 0.5
        assert isinstance(answers[0].outcome, IpmiError)
        assert "is no IPMI" in str(answers[0].outcome)
        assert time.monotonic() - before < 2.0


def test_a_fault_of_whoever_waits_is_nobody_elses(client: IpmiClient) -> None:
    def broken(_answered: Answered) -> None:
        raise KeyError("of the caller")

    with Servers(2) as servers:
        client.ask(servers[0].bmc, CHASSIS_STATUS, 5.0, broken)
        assert client.call(servers[0].bmc, CHASSIS_STATUS) == STATUS
        assert client.call(servers[1].bmc, CHASSIS_STATUS) == STATUS


def test_an_exception_within_an_exchange_ends_that_command_only(
    client: IpmiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Servers(2) as servers:
        first, second = servers.bmcs
        client.call(first, CHASSIS_STATUS)
        assert client.pump is not None
        ours = client.pump.controllers[first.address, first.port]

        def broken(*_: object) -> None:
            raise KeyError("of ours")

        monkeypatch.setattr(ours, "_in_session", broken)
        with pytest.raises(IpmiError, match="KeyError: 'of ours'"):
            client.call(first, CHASSIS_STATUS)
        assert client.call(second, CHASSIS_STATUS) == STATUS
        monkeypatch.undo()
        assert client.call(first, CHASSIS_STATUS) == STATUS


# -- the pump is replaced -----------------------------------------------------


def test_a_pump_that_died_is_replaced_and_nobody_notices(
    client: IpmiClient,
) -> None:
    with Servers(3) as servers:
        ask_all(client, servers.bmcs)
        first = client.pump
        assert first is not None
        first.abandon()  # its thread ends, as if it had died
        first.post(lambda: None)
        first.thread.join(5)

        answers = ask_all(client, servers.bmcs)

        assert [one.outcome for one in answers] == [STATUS] * 3
        assert client.pump is not first
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("baremetal-ipmi-1") == 1


def test_a_pump_that_hangs_is_replaced_within_the_deadlines(
    client: IpmiClient,
) -> None:
    hangs = threading.Event()
    with Servers(2) as servers:
        quiet, busy = servers.bmcs
        client.call(busy, CHASSIS_STATUS)
        first = client.pump
        assert first is not None
        first.post(lambda: hangs.wait(20) and None)
        before = time.monotonic()
        short = client.submit(quiet, CHASSIS_STATUS, 1.0)
        repeated = client.submit(quiet, CHASSIS_STATUS, 9.0)

        with pytest.raises(Unreachable):
            short.result(5)
        assert time.monotonic() - before < 2.5
        assert repeated.result(9) == STATUS
        assert time.monotonic() - before < 6.0

        hangs.set()
        first.thread.join(5)
        assert not first.thread.is_alive()
        assert client.call(busy, CHASSIS_STATUS) == STATUS


def test_a_reset_that_a_hanging_pump_had_sent_is_not_sent_again(
    client: IpmiClient,
) -> None:
    hangs = threading.Event()
    with Servers(1) as servers:
        bmc = servers[0].bmc
        client.call(bmc, CHASSIS_STATUS)
        first = client.pump
        assert first is not None
        servers[0].says = lambda _: b""  # carried out, and silent
        reset = client.submit(bmc, HARD_RESET, 9.0)
        while not servers[0].machine.journal.count(RESET):
            time.sleep(0.01)
        first.post(lambda: hangs.wait(20) and None)

        with pytest.raises(Unanswered):
            reset.result(8)

        hangs.set()
        first.thread.join(5)
        assert servers[0].machine.journal.count(RESET) == 1


def test_work_that_waited_in_a_hanging_pump_is_done_once(
    client: IpmiClient,
) -> None:
    hangs = threading.Event()
    with Servers(1) as servers:
        bmc = servers[0].bmc
        client.call(bmc, CHASSIS_STATUS)
        first = client.pump
        assert first is not None
        first.post(lambda: hangs.wait(20) and None)
        reset = client.submit(bmc, HARD_RESET, 9.0)
        assert reset.result(9) == Response(b"")
        hangs.set()
        first.thread.join(5)
        client.call(bmc, CHASSIS_STATUS)
        assert servers[0].machine.journal.count(RESET) == 1


# -- start and stop -----------------------------------------------------------


def open_sessions(servers: Servers) -> int:
    """Logins that are through; on a busy host one may begin twice."""
    return sum(
        session.keys is not None
        for server in servers
        for session in list(server.controller.sessions.values())
    )


def test_stopping_closes_the_sessions_and_leaves_no_thread() -> None:
    with Servers(40) as servers:
        with Running() as client:
            ask_all(client, servers.bmcs)
            assert open_sessions(servers) == 40
            before = time.monotonic()
        assert time.monotonic() - before < 5.0
        assert open_sessions(servers) == 0
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("baremetal-ipmi")]


def test_a_client_that_does_not_run_says_so() -> None:
    client = IpmiClient(settings())
    with Servers(1) as servers, pytest.raises(Unreachable, match="running"):
        client.call(servers[0].bmc, CHASSIS_STATUS)
    assert not list(client.figures())


def test_nothing_leaks_over_many_sweeps() -> None:
    with Servers(30) as servers, Running() as client:
        ask_all(client, servers.bmcs)
        files = len(os.listdir("/proc/self/fd"))
        threads = threading.active_count()
        for _ in range(20):
            ask_all(client, servers.bmcs)
            for bmc in servers.bmcs[:10]:
                client.forget(bmc)
        assert len(os.listdir("/proc/self/fd")) <= files
        assert threading.active_count() == threads
        assert not client._outstanding
        assert client.pump is not None
        assert len(client.pump.controllers) <= 30
        assert len(client.pump._wakes) <= 30
        assert len(client.pump._timers) <= 257


def test_names_and_ipv6_are_addresses(client: IpmiClient) -> None:
    with Servers(1) as servers, Servers(1, "::1") as others:
        name = Bmc(
            address="localhost",
            port=servers[0].port,
            username=b"admin",
            password=servers[0].bmc.password,
        )
        assert client.call(name, CHASSIS_STATUS) == STATUS
        assert client.call(others[0].bmc, CHASSIS_STATUS) == STATUS


def test_figures_say_what_happened(client: IpmiClient) -> None:
    with Servers(2) as servers:
        ask_all(client, servers.bmcs)
        servers[1].deaf = lambda _: True
        for _ in range(3):
            ask_all(client, servers.bmcs, 0.5)
        figures = {
            figure.name: dict(figure.values) for figure in client.figures()
        }
        assert figures["ipmi_commands"]["answers",] == 5
        assert figures["ipmi_commands"]["unreachable",] == 3
        assert figures["ipmi_circuits_open"][()] == 1
        assert figures["ipmi_sessions"][()] == 1
        circuit = client.circuit(servers[1].bmc)
        assert circuit.failures == 3
        assert isinstance(circuit.last, Unreachable)
