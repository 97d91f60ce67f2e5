# SPDX-License-Identifier: Apache-2.0
"""How a serial line is opened, kept, lost and given back."""

from __future__ import annotations

import heapq
import itertools

import pytest

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Response
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Refused,
    Taken,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.serial_over_lan import (
    ACTIVATE,
    DEACTIVATE,
    WHOSE,
    open_line,
)
from baremetal_backend.drivers.ipmi.native.sol_stream import (
    DEACTIVATED,
    Packet,
)

BMC = Bmc(address="192.0.2.1")
OURS = (0x01020304).to_bytes(4, "little")
THEIRS = b"\x99\x00\x00\x00"
ACTIVATED = bytes((0, 0, 0, 0, 0x68, 0, 0x68, 0, 0x6F, 2, 0xFF, 0xFF))


class Controller:
    """Its serial line, and the pump and session that lead to it."""

    numbers = (0x01020304, 7)

    def __init__(self) -> None:
        self.time = 50.0
        self._heap: list = []
        self._count = itertools.count()
        self.serial = None
        self.lost = None
        self.closed = False
        self.login_error = None
        #: Whose the line is: a word of four bytes, zeros for nobody.
        self.owner = bytes(4)
        self.asked: list[str] = []
        self.packets: list[Packet] = []
        #: Commands that are answered with this instead.
        self.answers: dict[str, Response | Refused] = {}
        #: Commands that are not answered at all.
        self.silent: set[str] = set()
        self.loses_activation = False

    # As a pump.

    def now(self):
        return self.time

    def call_soon(self, call, lost=None):
        self.call_later(0.0, call)

    def call_later(self, seconds, call):
        entry = [self.time + seconds, next(self._count), call]
        heapq.heappush(self._heap, entry)

        class Handle:
            def cancel(self):
                entry[2] = lambda: None

        return Handle()

    def open_session(self, bmc, ready, lost, seconds):
        assert bmc is BMC
        self.lost = lost
        if self.login_error is not None:
            self.call_soon(lambda: lost(self.login_error))
        else:
            self.call_soon(lambda: ready(self))

    def run(self, seconds=0.0):
        until = self.time + seconds
        while self._heap and self._heap[0][0] <= until:
            self.time, _, call = heapq.heappop(self._heap)
            call()
        self.time = until

    # As a session.

    def ask(self, command, seconds, done):
        self.asked.append(command.name)
        if command.name in self.silent:
            error = Unreachable(BMC.where, command.name, seconds, "no answer")
            self.call_later(seconds, lambda: done(error))
            return
        outcome = self.answers.get(command.name) or self.answer(command)
        self.call_soon(lambda: done(outcome))

    def answer(self, command):
        if command is WHOSE:
            return Response(self.owner + bytes(8))
        if command is DEACTIVATE:
            self.owner = bytes(4)
            return Response(b"")
        assert command is ACTIVATE
        if self.owner != bytes(4):
            return Refused(BMC.where, command.name, 0.0, "active", 0x80)
        self.owner = self.numbers[0].to_bytes(4, "little")
        if self.loses_activation:
            return Refused(BMC.where, command.name, 0.0, "active", 0x80)
        return Response(ACTIVATED)

    def send_serial(self, payload):
        self.packets.append(Packet.parse(payload))

    def close(self):
        self.closed = True
        self.serial = None

    # As the machine behind it.

    def write(self, data, number=1, status=0):
        self.serial(Packet(number, 0, 0, status, data).pack())

    def take(self):
        packet = self.packets[-1]
        answer = Packet(0, packet.sequence, len(packet.data))
        self.serial(answer.pack())


class Reader:
    def __init__(self, controller, force=False, lost=None) -> None:
        self.read = b""
        self.ends: list = []
        self.future = open_line(
            controller,
            BMC,
            self.receive,
            self.ends.append,
            10.0,
            force=force,
            lost=lost,
        )
        controller.run()

    def receive(self, data):
        self.read += data

    @property
    def line(self):
        return self.future.result(0)

    @property
    def error(self):
        return self.future.exception(0)


@pytest.fixture
def controller():
    return Controller()


def test_a_line_is_activated_with_encryption_and_used(controller):
    reader = Reader(controller)
    assert ACTIVATE.data == b"\x01\x01\xc0\x00\x00\x00"
    controller.write(b"login: ")
    assert reader.read == b"login: "
    reader.line.send(b"root\r")
    assert reader.line.unsent == 5
    controller.run()
    greeting, _acknowledgement, typed = controller.packets
    assert greeting == Packet(greeting.sequence)
    assert typed == Packet(greeting.sequence % 15 + 1, data=b"root\r")
    controller.take()
    assert reader.line.unsent == 0
    assert reader.ends == []


def test_packets_are_as_large_as_the_controller_takes(controller):
    reader = Reader(controller)
    reader.line.send(b"x" * 300)
    controller.run()
    assert len(controller.packets[-1].data) == 0x68 - 4


def test_a_packet_is_sent_again_by_the_clock(controller):
    reader = Reader(controller)
    reader.line.send(b"x")
    controller.run(0.6)
    _, packet, again = controller.packets
    assert packet == again
    assert packet.data == b"x"


def test_a_login_that_fails_fails_the_opening(controller):
    controller.login_error = BadCredentials(BMC.where, "Login", 0.1, "no")
    reader = Reader(controller)
    assert reader.error is controller.login_error
    assert reader.ends == []


def test_a_controller_without_serial_over_lan_fails_the_opening(controller):
    refusal = Refused(BMC.where, ACTIVATE.name, 0.1, "disabled", 0x81)
    controller.answers[ACTIVATE.name] = refusal
    reader = Reader(controller)
    assert reader.error is refusal
    assert controller.closed


def test_a_line_of_somebody_else_is_left_to_them(controller):
    controller.owner = THEIRS
    reader = Reader(controller)
    assert isinstance(reader.error, Taken)
    assert str(reader.error) == (
        "192.0.2.1:623: Serial over LAN failed after 0.0 s: it is active for "
        "somebody else"
    )
    assert DEACTIVATE.name not in controller.asked
    assert controller.closed


def test_a_line_of_somebody_else_is_taken_when_that_is_wanted(controller):
    controller.owner = THEIRS
    reader = Reader(controller, force=True)
    assert reader.line is not None
    assert controller.owner == OURS


def test_a_line_that_can_not_be_taken_is_tried_to_be_taken_once(controller):
    controller.owner = THEIRS
    controller.answers[DEACTIVATE.name] = Response(b"")
    reader = Reader(controller, force=True)
    assert isinstance(reader.error, Taken)
    assert controller.asked.count(DEACTIVATE.name) == 1


def test_an_activation_whose_answer_was_lost_is_ours(controller):
    controller.loses_activation = True
    reader = Reader(controller)
    controller.write(b"here")
    assert reader.read == b"here"


def test_a_line_that_we_lost_and_the_controller_did_not_is_taken_back(
    controller,
):
    lost: dict = {}
    first = Reader(controller, lost=lost)
    controller.lost(Unreachable(BMC.where, "Session", 1.0, "lost"))
    assert len(first.ends) == 1
    # The network is back; the line still belongs to the old session.
    controller.numbers = (0x55, 8)
    second = Reader(controller, lost=lost)
    assert second.line is not None
    assert lost == {}


def test_a_line_that_somebody_took_from_us_is_not_taken_back(controller):
    lost: dict = {}
    Reader(controller, lost=lost)
    controller.owner = THEIRS
    controller.run(6.0)
    controller.numbers = (0x55, 8)
    second = Reader(controller, lost=lost)
    assert isinstance(second.error, Taken)


def test_a_line_that_was_closed_leaves_nothing_behind(controller):
    lost: dict = {}
    reader = Reader(controller, lost=lost)
    reader.line.close()
    controller.run()
    assert lost == {}


def test_a_silent_line_is_asked_for_whose_it_is(controller):
    reader = Reader(controller)
    controller.run(21.0)
    # At once, and then every five seconds.
    assert controller.asked.count(WHOSE.name) == 5
    assert reader.ends == []


def test_a_busy_line_needs_no_such_question(controller):
    Reader(controller)
    for number in range(1, 15):
        controller.run(2.0)
        controller.write(b"x", number)
    assert controller.asked.count(WHOSE.name) == 1


def test_a_line_that_somebody_took_is_over(controller):
    reader = Reader(controller)
    controller.owner = THEIRS
    controller.run(6.0)
    assert [type(one) for one in reader.ends] == [Taken]
    assert controller.closed


def test_a_controller_that_restarted_has_no_line_for_us(controller):
    reader = Reader(controller)
    controller.owner = bytes(4)
    controller.run(6.0)
    assert len(reader.ends) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(b""),
        Response(bytes(12)),
        Refused(BMC.where, WHOSE.name, 0.0, "unknown", 0xC1),
    ],
)
def test_a_controller_that_can_not_say_whose_it_is_is_believed_to_live(
    controller, answer
):
    controller.answers[WHOSE.name] = answer
    reader = Reader(controller)
    controller.run(60.0)
    assert reader.ends == []
    assert controller.asked.count(WHOSE.name) > 10


def test_a_controller_that_falls_silent_ends_the_line(controller):
    reader = Reader(controller)
    controller.silent.add(WHOSE.name)
    controller.run(12.0)
    (end,) = reader.ends
    assert isinstance(end, Unreachable)
    controller.run(60.0)
    assert len(reader.ends) == 1


def test_what_is_not_acknowledged_ends_the_line(controller):
    reader = Reader(controller)
    reader.line.send(b"x")
    controller.run(10.0)
    (end,) = reader.ends
    assert type(end) is Unreachable
    assert "not acknowledged" in str(end)
    assert reader.line.unsent == 0


def test_a_controller_that_drops_the_line_says_so(controller):
    reader = Reader(controller)
    controller.write(b"bye", status=DEACTIVATED)
    assert reader.read == b"bye"
    assert [type(one) for one in reader.ends] == [Taken]
    assert controller.serial is None


def test_a_session_that_is_lost_ends_the_line(controller):
    reader = Reader(controller)
    error = Unreachable(BMC.where, "Session", 1.0, "lost")
    controller.lost(error)
    controller.packets.clear()
    assert reader.ends == [error]
    # There is nothing to be closed any more.
    assert not controller.closed
    reader.line.send(b"x")
    controller.run(30.0)
    assert controller.packets == []


def test_a_session_that_is_lost_while_it_opens_fails_the_opening(controller):
    controller.silent.add(ACTIVATE.name)
    reader = Reader(controller)
    error = Unreachable(BMC.where, "Session", 1.0, "lost")
    controller.lost(error)
    assert reader.error is error
    controller.run(30.0)
    assert reader.ends == []


def test_to_close_is_to_deactivate_and_log_out_once(controller):
    reader = Reader(controller)
    reader.line.close()
    reader.line.close()
    controller.run()
    assert controller.asked.count(DEACTIVATE.name) == 1
    assert controller.owner == bytes(4)
    assert controller.closed
    assert reader.ends == [None]
    controller.run(30.0)
    reader.line.close()
    controller.run()
    assert reader.ends == [None]


def test_a_dead_controller_does_not_hold_up_the_closing(controller):
    reader = Reader(controller)
    controller.silent.add(DEACTIVATE.name)
    reader.line.close()
    controller.run(2.0)
    assert reader.ends == [None]
    assert controller.closed


def test_a_session_that_is_lost_while_it_closes_was_closed(controller):
    reader = Reader(controller)
    controller.silent.add(DEACTIVATE.name)
    reader.line.close()
    controller.run()
    controller.lost(Unreachable(BMC.where, "Session", 1.0, "lost"))
    assert reader.ends == [None]


def test_nothing_is_received_after_the_end(controller):
    reader = Reader(controller)
    serial = controller.serial
    reader.line.close()
    controller.run()
    serial(Packet(1, data=b"late").pack())
    assert reader.read == b""


def test_a_refusal_among_answers_says_nothing_about_the_line(controller):
    refusal = Refused(BMC.where, WHOSE.name, 0.0, "busy", 0xC0)
    controller.answers[WHOSE.name] = refusal
    reader = Reader(controller)
    controller.run(11.0)
    del controller.answers[WHOSE.name]
    controller.run(11.0)
    controller.answers[WHOSE.name] = refusal
    controller.run(11.0)
    del controller.answers[WHOSE.name]
    controller.run(11.0)
    assert reader.ends == []
    controller.owner = THEIRS
    controller.run(6.0)
    assert len(reader.ends) == 1
