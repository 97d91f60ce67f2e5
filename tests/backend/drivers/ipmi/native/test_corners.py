# SPDX-License-Identifier: Apache-2.0
"""Rare moments: late, at the end, without a route, after a fault."""

from __future__ import annotations

import dataclasses
import hmac
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from baremetal_backend.drivers.ipmi import command
from baremetal_backend.drivers.ipmi.bmc import Privilege
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    Response,
)
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    IpmiError,
    ProtocolViolation,
    Unanswered,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from baremetal_backend.drivers.ipmi.native.pump import Pump
from baremetal_backend.drivers.ipmi.native.resolver import Resolver
from baremetal_backend.drivers.ipmi.native.sealing import Sealing
from baremetal_backend.drivers.ipmi.native.sockets import Port
from baremetal_backend.drivers.ipmi.native.watch import Watch
from baremetal_backend.drivers.ipmi.native.work import Work
from baremetal_backend.drivers.ipmi.ports import Answered
from tests.backend.drivers.ipmi.native.exchange import (
    ADDRESS,
    BMC,
    Exchange,
    first,
    in_session,
    step,
)
from tests.backend.drivers.ipmi.native.loopback import (
    Running,
    Servers,
    settings,
)

STATUS = Response(b"\x00\x00\x00")
RESET = "00.02 03"
OPERATOR = dataclasses.replace(BMC, privilege=Privilege.OPERATOR)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def caught(
    exchange: Exchange, which: Callable[[bytes], bool] = lambda _: True
) -> list[bytes]:
    """Answers that don't arrive by themselves."""
    answers: list[bytes] = []

    def catch(datagram: bytes) -> bool:
        if which(datagram):
            answers.append(datagram)
        return which(datagram)

    exchange.loses_answer = catch
    return answers


# -- time ---------------------------------------------------------------------


def test_a_session_of_its_own_that_only_listens_costs_no_time(
    exchange: Exchange,
) -> None:
    """A moment that has passed kept the pump busy for ever."""
    link = exchange.ours.dedicate(BMC, lambda _: None)
    exchange.ask(link=link)
    exchange.run(1)
    assert link.rmcp is not None

    exchange.now += 700
    exchange.ours.tick(exchange.now)

    assert exchange.ours.due > exchange.now


def test_what_is_too_late_is_not_sent_any_more(exchange: Exchange) -> None:
    exchange.do()
    answers = caught(exchange)
    exchange.ask()
    reset = exchange.ask(HARD_RESET, seconds=0.1)
    exchange.run(0.01)

    exchange.now += 1.0
    exchange.inject(answers[0])
    exchange.run(5)

    assert isinstance(reset.outcome, Unreachable)
    assert not isinstance(reset.outcome, Unanswered)
    assert exchange.carried_out(RESET) == 0


def test_a_reset_is_not_sent_after_a_login_that_took_too_long(
    exchange: Exchange,
) -> None:
    answers = caught(exchange, in_session)
    reset = exchange.ask(HARD_RESET, seconds=0.2)
    exchange.run(0.1)

    exchange.now += 1.0
    exchange.inject(answers[0])
    exchange.mend()
    exchange.run(5)

    assert not isinstance(reset.outcome, Unanswered)
    assert exchange.carried_out(RESET) == 0


def test_whoever_waits_for_a_session_of_its_own_hears_that_its_turn_never_came(
    exchange: Exchange,
) -> None:
    lost: list[IpmiError] = []
    exchange.cut()
    exchange.ask(seconds=10)
    link = exchange.ours.dedicate(BMC, lost.append)
    exchange.ask(seconds=1, link=link)

    exchange.run(2)

    assert ["its turn did not come" in str(error) for error in lost] == [True]
    exchange.run(10)
    assert link not in exchange.ours.links


def test_a_login_that_nobody_waits_for_leaves_no_session_behind(
    exchange: Exchange,
) -> None:
    """Many controllers have four in all."""
    exchange.loses_answer = in_session
    exchange.do(seconds=0.2)
    exchange.run(1)
    assert not exchange.bmc.sessions


def test_a_session_that_is_wanted_again_stays(exchange: Exchange) -> None:
    exchange.do()
    exchange.ours.forget(BMC, exchange.now)
    asked = exchange.ask()
    exchange.run(1)
    assert asked.outcome == STATUS
    assert len(exchange.bmc.sessions) == 1


# -- the end ------------------------------------------------------------------


def test_what_comes_while_the_client_stops_is_turned_away(
    exchange: Exchange,
) -> None:
    lost: list[IpmiError] = []
    exchange.do()
    exchange.ours.stop(exchange.now)
    exchange.sent.clear()

    asked = exchange.ask()
    link = exchange.ours.dedicate(BMC, lost.append)
    exchange.ask(link=link)

    assert "the client is stopping" in asked.error
    assert len(lost) == 1
    assert not [one for one in exchange.sent if step(0x10)(one)]


def test_a_reset_under_way_at_the_end_may_have_been_carried_out(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.loses_answer = in_session
    reset = exchange.ask(HARD_RESET)
    exchange.run(0.1)
    exchange.ours.stop(exchange.now)
    assert exchange.carried_out(RESET) == 1
    assert isinstance(reset.outcome, Unanswered)


def test_a_reset_under_way_at_a_fault_may_have_been_carried_out(
    exchange: Exchange,
) -> None:
    exchange.do()
    exchange.loses_answer = in_session
    reset = exchange.ask(HARD_RESET)
    exchange.ours.fail(ProtocolViolation, "KeyError: 3", exchange.now)
    assert isinstance(reset.outcome, Unanswered)
    assert "KeyError: 3" in reset.error


def test_a_command_that_meets_the_end_of_the_client_ends() -> None:
    client = IpmiClient(settings())

    class Late(dict[Work, None]):
        def __setitem__(self, work: Work, nothing: None) -> None:
            client.stop()
            super().__setitem__(work, nothing)

    client._outstanding = Late()
    client.start()
    future = client.submit(BMC, CHASSIS_STATUS)
    with pytest.raises(Unreachable, match="stopping"):
        future.result(1)


def test_the_end_comes_before_all_that_waits() -> None:
    hangs = threading.Event()
    ends: list[Answered] = []
    with Servers(1) as servers, Running() as client:
        pump = client.pump
        assert pump is not None

        def hang() -> None:
            hangs.wait(5)

        pump.post(hang)
        for _ in range(300):
            client.ask(servers.bmcs[0], CHASSIS_STATUS, 5.0, ends.append)
        pump.stop()
        hangs.set()
        pump.thread.join(5)
        assert len(ends) == 300
        assert all("stopping" in str(one.outcome) for one in ends)
        assert not servers[0].controller.sessions


def test_a_pump_that_has_ended_writes_into_nobodys_files() -> None:
    with Running() as client:
        pump = client.pump
    assert pump is not None
    pump.thread.join(5)
    pairs = [socket.socketpair() for _ in range(40)]
    ends = [end for pair in pairs for end in pair]
    try:
        pump.post(lambda: None)
        assert select.select(ends, [], [], 0)[0] == []
    finally:
        for end in ends:
            end.close()


# -- whoever ends it first ----------------------------------------------------


def test_a_command_counts_as_sent_before_it_can_be(
    exchange: Exchange,
) -> None:
    """Otherwise somebody else could end it in between as not sent."""
    exchange.do()
    seen: list[bool] = []
    mine = exchange.mine

    def looked(work: Work) -> bool:
        seen.append(work.sent)
        return mine(work)

    exchange.mine = looked  # type: ignore[method-assign]
    exchange.ask(HARD_RESET)
    assert seen[-1] is True


class SentMeanwhile(dict[Work, None]):
    """The pump sends each work just before it is taken away."""

    def pop(self, work: Work, *default: Any) -> Any:
        work.sent = True
        return super().pop(work, *default)


def make(number: int, resolver: Resolver) -> Pump:
    return Pump(settings().ipmi, resolver, {}, number)


def test_what_was_sent_meanwhile_may_have_been_carried_out() -> None:
    ends: list[Answered] = []
    outstanding = SentMeanwhile()
    watch = Watch(make, outstanding, Resolver())
    outstanding[Work(BMC, HARD_RESET, 0.0, 1.0, ends.append)] = None

    watch._keep_deadlines(time.monotonic())

    assert [type(end.outcome) for end in ends] == [Unanswered]


def test_what_a_pump_never_came_to_is_told_when_it_is_replaced() -> None:
    told = threading.Event()
    errors: list[IpmiError] = []

    def lost(error: IpmiError) -> None:
        errors.append(error)
        told.set()

    watch = Watch(make, {}, Resolver())
    watch.pump.call_soon(lambda: None, lost)

    watch.look(time.monotonic())  # its thread does not run

    assert told.wait(5)
    assert "it is lost" in str(errors[0])
    watch.pump.stop()
    watch.pump.thread.join(5)


def test_what_waits_behind_a_fault_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Servers(1) as servers, Running() as client:
        bmc = servers.bmcs[0]
        client.call(bmc, CHASSIS_STATUS)
        assert client.pump is not None
        ours = client.pump.controllers[bmc.address, bmc.port]
        repeat = ours._repeat

        def broken_once(now: float) -> None:
            monkeypatch.setattr(ours, "_repeat", repeat)
            raise KeyError("of ours")

        monkeypatch.setattr(ours, "_repeat", broken_once)
        servers[0].deaf = lambda _: True
        waits = [client.submit(bmc, CHASSIS_STATUS, 8.0) for _ in range(2)]

        with pytest.raises(ProtocolViolation):
            waits[0].result(7)
        servers[0].deaf = lambda _: False
        assert waits[1].result(10) == STATUS


# -- the way there ------------------------------------------------------------


def test_an_address_without_a_socket_leaves_the_others(
    exchange: Exchange,
) -> None:
    """A host without IPv6, and a name that has an address of it first."""
    exchange.found = [(socket.AF_INET6, ("2001:db8::1", 623, 0, 0)), ADDRESS]
    join = exchange.join

    def joined(address: Any, peer: Any) -> Any:
        if address[0] == socket.AF_INET6:
            raise OSError("Address family not supported by protocol")
        return join(address, peer)

    exchange.join = joined  # type: ignore[method-assign]
    assert exchange.do().outcome == STATUS


def test_a_host_without_any_socket_says_so(exchange: Exchange) -> None:
    def joined(address: Any, peer: Any) -> Any:
        raise OSError("Too many open files")

    exchange.join = joined  # type: ignore[method-assign]
    exchange.found = [ADDRESS, (2, ("192.0.2.7", 623))]
    assert "no socket: Too many open files" in exchange.do().error


def test_one_lost_datagram_takes_no_session_from_others(
    exchange: Exchange,
) -> None:
    """A name with two addresses, and a console at the first of them."""
    lost: list[IpmiError] = []
    exchange.found = [ADDRESS, (2, ("192.0.2.7", 623))]
    exchange.ask(link=exchange.ours.dedicate(BMC, lost.append))
    exchange.run(1)
    exchange.loses_request = first(1, step(0x10))

    assert exchange.do(bmc=OPERATOR).outcome == STATUS

    assert not lost
    assert not exchange.left


def test_what_could_not_be_sent_is_said(exchange: Exchange) -> None:
    exchange.unsent = "Network is unreachable"
    asked = exchange.do(seconds=1)
    assert isinstance(asked.outcome, Unreachable)
    assert asked.error.endswith("sent: Network is unreachable")


def test_a_socket_says_why_it_could_not_send() -> None:
    port: Port[None] = Port(socket.AF_INET)
    try:
        assert port.send(bytes(70000), ("127.0.0.1", 9)) == "Message too long"
        assert port.send(b"", ("127.0.0.1", 9)) is None
    finally:
        port.socket.close()


# -- who is believed ----------------------------------------------------------


def test_a_stranger_is_no_sign_of_life(exchange: Exchange) -> None:
    """A reset would be sent into a session that is gone."""
    exchange.do()
    [link] = exchange.ours.links
    assert link.rmcp is not None
    number = link.rmcp.session_id.to_bytes(4, "little")
    exchange.run(5)
    exchange.bmc.sessions.clear()

    exchange.inject(b"\x06\x00\xff\x07\x06\x00" + number + bytes(20))

    assert exchange.do(HARD_RESET).outcome == Response(b"")
    assert exchange.carried_out(RESET) == 1


def test_a_body_that_is_no_blocks_does_not_spoil_what_follows() -> None:
    keys = bytes(16), bytes(20), "sha1", 12
    ours, theirs = Sealing(*keys), Sealing(*keys)
    good = theirs.seal(0, 1, 2, b"seven bytes")
    body = good[16:32] + os.urandom(5)
    head = good[:14] + len(body).to_bytes(2, "little") + body + b"\x00\x07"
    code = hmac.new(keys[1], head[4:], "sha1").digest()[:12]

    with pytest.raises(ValueError, match="no blocks"):
        ours.unseal(head + code)

    assert ours.unseal(good) == (2, b"seven bytes")


def test_what_a_session_may_not_do_does_not_end_the_polls(
    exchange: Exchange,
) -> None:
    """The controller knows us: it was an answer."""
    exchange.script.refuses = {"00.02": 0xD4}
    refused = exchange.do(command.POWER_UP)
    assert isinstance(refused.outcome, BadCredentials)
    assert exchange.do(background=True).outcome == STATUS
