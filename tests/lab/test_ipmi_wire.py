# SPDX-License-Identifier: Apache-2.0
"""What the scripted controller reads and writes, without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ipmi import rmcp
from lab.ipmi.machine import Machine, Script
from lab.ipmi.rmcp import Keys, Request, Rubbish, parse, sealed
from lab.ipmi.serial_port import SerialPort

# Get Channel Authentication Capabilities, as ipmitool sends it.
CAPABILITIES = bytes.fromhex("0600ff07000000000000000000092018c88100388e04b5")


def keys(suite: int) -> Keys:
    return Keys.of(rmcp.SUITES[suite], bytes(range(20)))


def request(netfn: int, command: int, data: str = "") -> Request:
    return Request(netfn, command, bytes.fromhex(data), 0x81, 0)


def test_a_request_of_ipmitool_is_read() -> None:
    datagram = parse(CAPABILITIES)
    assert (datagram.payload_type, datagram.session) == (None, 0)
    asked = Request.parse(datagram.payload)
    assert (asked.netfn, asked.command) == (6, 0x38)
    assert asked.data == b"\x8e\x04"


def test_checksums_count() -> None:
    for at in range(14, len(CAPABILITIES)):
        broken = bytearray(CAPABILITIES)
        broken[at] ^= 1
        with pytest.raises(Rubbish):
            Request.parse(parse(bytes(broken)).payload)


@given(st.binary(max_size=80))
def test_rubbish_is_said_to_be_rubbish(raw: bytes) -> None:
    for whole in (raw, CAPABILITIES[:4] + raw):
        try:
            parse(whole)
        except Rubbish:
            continue


@pytest.mark.parametrize("suite", [3, 17])
@given(payload=st.binary(min_size=1, max_size=200))
def test_what_is_sealed_is_opened_by_the_same_keys(
    suite: int, payload: bytes
) -> None:
    raw = sealed(0, 7, 9, payload, keys(suite))
    datagram = parse(raw)
    assert (datagram.session, datagram.sequence) == (7, 9)
    assert rmcp.opened(datagram, keys(suite)) == payload
    if len(payload) > 20:
        assert payload not in raw


@pytest.mark.parametrize("suite", [3, 17])
def test_a_sealed_one_that_was_touched_is_not_opened(suite: int) -> None:
    raw = sealed(0, 7, 9, b"payload", keys(suite))
    for at in range(5, len(raw)):
        broken = bytearray(raw)
        broken[at] ^= 1
        with pytest.raises(Rubbish):
            rmcp.opened(parse(bytes(broken)), keys(suite))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script(), 0),
        (Script(refuses={"00.02": 0xC0}), 0xC0),
    ],
    ids=["willing", "refusing"],
)
def test_the_journal_has_what_was_carried_out(
    script: Script, code: int
) -> None:
    machine = Machine(script, lambda seconds, do: None)
    assert machine.answer(request(0, 2, "01")) == (code, b"")
    assert machine.is_on is (code == 0)
    assert machine.journal == (["00.02 01"] if code == 0 else [])
    assert machine.answer(request(0, 0x77))[0] == 0xC1


def test_late_power_is_seen_later() -> None:
    later: list[tuple[float, Callable[[], None]]] = []
    machine = Machine(
        Script(late_power=3.0), lambda seconds, do: later.append((seconds, do))
    )
    machine.answer(request(0, 2, "01"))
    assert not machine.is_on
    [(seconds, become)] = later
    assert seconds == 3.0
    become()
    assert machine.answer(request(0, 1)) == (0, b"\x01\x00\x00")


def test_a_liar_says_the_opposite() -> None:
    machine = Machine(Script(lies=True), lambda seconds, do: None)
    assert machine.answer(request(0, 1)) == (0, b"\x01\x00\x00")


@dataclass
class Console:
    """The other end of a serial port."""

    sent: list[bytes] = field(default_factory=list)
    timers: list[Callable[[], None]] = field(default_factory=list)
    takes: int = 255

    def __post_init__(self) -> None:
        self.port = SerialPort(
            self.sent.append,
            lambda seconds, do: self.timers.append(do),
            lambda: self.takes,
        )


def test_typed_characters_are_taken_once() -> None:
    console = Console()
    for _ in range(2):
        console.port.received(bytes([1, 0, 0, 0]) + b"ls")
    assert console.port.typed == b"ls"
    acks = [packet for packet in console.sent if packet[1] == 1]
    assert acks == [bytes([0, 1, 2, 0])] * 2


def test_a_port_that_is_full_takes_some_and_says_so() -> None:
    console = Console(takes=1)
    console.port.received(bytes([1, 0, 0, 0]) + b"ls")
    assert console.port.typed == b"l"
    assert console.sent[0] == bytes([0, 1, 1, 0x40])


def test_what_is_not_acknowledged_is_sent_again_and_then_no_more() -> None:
    console = Console()
    console.port.write(b"login: ")
    console.timers.pop()()
    assert console.sent == [bytes([1, 0, 0, 0]) + b"login: "] * 2
    console.port.received(bytes([0, 1, 3, 0]))
    assert console.sent[-1] == bytes([2, 0, 0, 0]) + b"in: "
    console.port.received(bytes([0, 2, 4, 0]))
    before = len(console.sent)
    for again in console.timers:
        again()
    assert len(console.sent) == before
