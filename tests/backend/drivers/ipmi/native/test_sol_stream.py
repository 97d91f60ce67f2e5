# SPDX-License-Identifier: Apache-2.0
"""Serial over LAN, packet by packet (IPMI 2.0, section 15)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baremetal_backend.drivers.ipmi.native.sol_stream import (
    DEACTIVATED,
    NACK,
    UNAVAILABLE,
    Packet,
    Stream,
    characters,
)


def acknowledged(stream, packet, accepted=None, status=0, now=0.0):
    count = len(packet.data) if accepted is None else accepted
    answer = Packet(0, packet.sequence, count, status)
    return stream.arrived(answer.pack(), now)


def test_the_header_is_that_of_table_15_2():
    packet = Packet(3, 14, 5, NACK, b"login")
    assert packet.pack() == b"\x03\x0e\x05\x40login"
    assert Packet.parse(packet.pack()) == packet
    # The upper halves of both numbers are reserved.
    assert Packet.parse(b"\xf3\xfe\x05\x40login") == packet


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x00\x00"])
def test_what_is_too_short_for_a_header_is_nothing(payload):
    stream = Stream()
    effects = stream.arrived(payload, 0.0)
    assert (effects.send, effects.received, effects.ended) == ((), b"", None)


def test_what_is_typed_goes_out_at_once_and_one_packet_at_a_time():
    stream = Stream(largest=4)
    (first,) = stream.type(b"reboot\r", 0.0).send
    assert first == Packet(sequence=1, data=b"rebo")
    assert stream.type(b"x", 0.1).send == ()
    assert stream.unsent == 8
    (second,) = acknowledged(stream, first).send
    assert second == Packet(sequence=2, data=b"ot\rx")
    assert acknowledged(stream, second).send == ()
    assert (stream.unsent, stream.due) == (0, None)


def test_a_greeting_takes_up_the_numbers_and_is_not_waited_for():
    stream = Stream(first=15)
    assert stream.greet().send == (Packet(sequence=15),)
    assert (stream.unsent, stream.due) == (0, None)
    (packet,) = stream.type(b"a", 0.0).send
    assert packet == Packet(sequence=1, data=b"a")
    # Some acknowledge the greeting, and some don't.
    assert acknowledged(stream, Packet(sequence=15)).send == ()
    assert stream.unsent == 1
    assert Stream().greet().send == ()


def test_numbers_go_from_fifteen_to_one():
    stream, numbers = Stream(), []
    for _ in range(17):
        (packet,) = stream.type(b"a", 0.0).send
        numbers.append(packet.sequence)
        acknowledged(stream, packet)
    assert numbers == [*range(1, 16), 1, 2]


def test_a_packet_that_is_not_acknowledged_is_the_same_packet_again():
    stream = Stream()
    (packet,) = stream.type(b"a", 0.0).send
    assert stream.look(0.4).send == ()
    assert stream.due == 0.5
    assert stream.look(0.5).send == (packet,)
    assert stream.due == 1.5
    assert acknowledged(stream, packet, now=1.0).ended is None
    assert stream.due is None


def test_a_controller_that_acknowledges_nothing_is_gone_after_ten_seconds():
    stream, sent, now = Stream(), 1, 0.0
    stream.type(b"a", now)
    while stream.due is not None:
        now = stream.due
        effects = stream.look(now)
        sent += len(effects.send)
    assert (sent, now) == (6, 9.5)
    assert effects.ended == "what was typed is not acknowledged"
    assert stream.type(b"b", now).send == ()


def test_what_was_not_taken_goes_out_in_a_new_packet():
    stream = Stream()
    (packet,) = stream.type(b"abcdef", 0.0).send
    (rest,) = acknowledged(stream, packet, accepted=2, status=NACK).send
    assert rest == Packet(sequence=2, data=b"cdef")


def test_a_controller_without_room_is_given_time():
    stream = Stream()
    (packet,) = stream.type(b"ab", 0.0).send
    assert acknowledged(stream, packet, 0, NACK, now=1.0).send == ()
    assert stream.type(b"c", 1.1).send == ()
    assert stream.due == 1.25
    (again,) = stream.look(1.25).send
    assert again == Packet(sequence=2, data=b"abc")


def test_an_acknowledgement_that_counts_nothing_is_believed():
    stream = Stream()
    (packet,) = stream.type(b"ab", 0.0).send
    assert acknowledged(stream, packet, accepted=0).send == ()
    assert stream.unsent == 0


def test_an_acknowledgement_of_another_packet_changes_nothing():
    stream = Stream()
    (packet,) = stream.type(b"ab", 0.0).send
    other = Packet(sequence=9, data=b"ab")
    assert acknowledged(stream, other).send == ()
    assert stream.unsent == 2
    assert stream.look(0.5).send == (packet,)


def test_a_machine_that_is_off_takes_no_characters():
    stream = Stream(largest=1)
    (packet,) = stream.type(b"abc", 0.0).send
    effects = acknowledged(stream, packet, 0, NACK | UNAVAILABLE)
    assert (effects.send, effects.ended) == ((), None)
    assert (stream.unsent, stream.due) == (0, None)


def test_the_end_is_told_once():
    stream = Stream()
    effects = stream.arrived(Packet(status=DEACTIVATED).pack(), 0.0)
    assert effects.ended == "it was deactivated"
    again = stream.arrived(Packet(1, status=DEACTIVATED).pack(), 0.0)
    assert (again.ended, again.send) == (None, ())
    assert stream.type(b"a", 0.0).send == ()


def test_the_last_characters_before_the_end_are_delivered():
    packet = Packet(1, status=DEACTIVATED, data=b"bye")
    effects = Stream().arrived(packet.pack(), 0.0)
    assert effects.received == b"bye"
    assert effects.send == (Packet(0, 1, 3),)


def test_what_arrives_is_acknowledged_and_delivered():
    effects = Stream().arrived(Packet(5, data=b"login: ").pack(), 0.0)
    assert effects.received == b"login: "
    assert effects.send == (Packet(0, 5, 7),)


def test_what_arrives_twice_is_delivered_once_and_acknowledged_twice():
    stream = Stream()
    stream.arrived(Packet(5, data=b"login").pack(), 0.0)
    again = stream.arrived(Packet(5, data=b"login").pack(), 0.0)
    assert (again.received, again.send) == (b"", (Packet(0, 5, 5),))


def test_a_repeated_packet_that_has_grown_brings_only_what_is_new():
    stream = Stream()
    stream.arrived(Packet(5, data=b"log").pack(), 0.0)
    again = stream.arrived(Packet(5, data=b"login: ").pack(), 0.0)
    assert (again.received, again.send) == (b"in: ", (Packet(0, 5, 7),))


def test_what_can_not_be_acknowledged_is_not_delivered():
    effects = Stream().arrived(Packet(5, data=b"x" * 300).pack(), 0.0)
    assert effects.received == b"x" * 255
    assert effects.send == (Packet(0, 5, 255),)


def test_the_same_number_after_a_round_is_another_packet():
    stream, received = Stream(), b""
    for number in [*range(1, 16), 1, 2]:
        packet = Packet(number, data=bytes([96 + number]))
        received += stream.arrived(packet.pack(), 0.0).received
    assert received == b"abcdefghijklmnoab"


def test_an_acknowledgement_may_bring_characters():
    stream = Stream()
    (packet,) = stream.type(b"ab", 0.0).send
    stream.type(b"c", 0.0)
    both = Packet(7, packet.sequence, 2, 0, b"ab")
    effects = stream.arrived(both.pack(), 0.0)
    assert effects.received == b"ab"
    assert effects.send == (Packet(0, 7, 2), Packet(2, data=b"c"))


def test_who_types_without_end_fills_no_memory():
    stream = Stream()
    for _ in range(100):
        stream.type(b"x" * 4096, 0.0)
    assert stream.unsent == 65536


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (b"\x68\x00", 100),
        (b"\x00\x01", 200),  # 256 is more than we send at once
        (b"\x01\x00", 200),  # the same in the wrong order
        (b"\x00\x68", 100),
        (b"\x00\x00", 16),
        (b"\xff\xff", 16),
        (b"\x05\x00", 1),
        (b"", 16),
    ],
)
def test_the_size_that_a_controller_names_is_taken_with_salt(size, expected):
    assert characters(size) == expected


@dataclass
class Controller:
    """The other end: takes what it likes, repeats what is not confirmed."""

    chance: random.Random
    script: bytes
    typed: bytes = b""
    flying: Packet | None = None
    number: int = 0
    last: Packet = field(default_factory=Packet)

    def arrived(self, payload: bytes) -> list[bytes]:
        packet = Packet.parse(payload)
        assert packet is not None
        if self.flying and packet.acknowledged == self.flying.sequence:
            self.script = self.script[packet.accepted :]
            self.flying = None
        if not packet.sequence:
            return []
        if packet.sequence != self.last.acknowledged:
            count = self.chance.randint(0, len(packet.data))
            self.typed += packet.data[:count]
            status = 0 if count == len(packet.data) else NACK
            self.last = Packet(0, packet.sequence, count, status)
        return [self.last.pack()]

    def speak(self) -> list[bytes]:
        if self.flying is None and self.script:
            self.number = self.number % 15 + 1
            size = self.chance.randint(1, 5)
            self.flying = Packet(self.number, data=self.script[:size])
        return [self.flying.pack()] if self.flying else []


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    typed=st.binary(max_size=60),
    script=st.binary(max_size=60),
    loss=st.floats(0, 0.3),
    doubled=st.floats(0, 0.3),
)
def test_each_byte_arrives_once_and_in_order_over_a_bad_network(
    seed, typed, script, loss, doubled
):
    chance = random.Random(seed)
    controller = Controller(chance, script)
    stream, received, now = Stream(largest=3), b"", 0.0

    def over(payloads):
        for one in payloads:
            if chance.random() >= loss:
                yield one
                if chance.random() < doubled:
                    yield one

    def done():
        return not stream.unsent and not controller.script

    outgoing = [one.pack() for one in stream.type(typed, now).send]
    for _ in range(4000):
        incoming = []
        for payload in over(outgoing):
            incoming += controller.arrived(payload)
        incoming += controller.speak()
        outgoing = []
        for payload in over(incoming):
            effects = stream.arrived(payload, now)
            received += effects.received
            outgoing += [one.pack() for one in effects.send]
        now += 0.1
        effects = stream.look(now)
        if effects.ended:
            # Six losses in a row: that it says so is the whole promise.
            assert typed.startswith(controller.typed)
            assert script.startswith(received)
            return
        outgoing += [one.pack() for one in effects.send]
        if done():
            break
    assert (controller.typed, received) == (typed, script)
