# SPDX-License-Identifier: Apache-2.0
"""One reader, one line: what becomes of both when one of them fails."""

from __future__ import annotations

import heapq
import itertools

import pytest

from baremetal_backend.drivers.served_console import ServedConsole
from tests.fakes.serial_line import FakeMachine


class FakeLoop:
    """An event loop whose time passes on demand."""

    def __init__(self) -> None:
        self._now = 100.0
        self._heap: list = []
        self._numbers = itertools.count()

    def time(self):
        return self._now

    def call_later(self, delay, callback, *args):
        entry = [self._now + delay, next(self._numbers), callback, args]
        heapq.heappush(self._heap, entry)

        class Handle:
            def cancel(self):
                entry[2] = None

        return Handle()

    def call_soon_threadsafe(self, callback, *args):
        self.call_later(0, callback, *args)

    def run(self, seconds=0.0):
        until = self._now + seconds
        while self._heap and self._heap[0][0] <= until:
            self._now, _, callback, args = heapq.heappop(self._heap)
            if callback is not None:
                callback(*args)
        self._now = until


class FakeReader:
    """A connection: ``read`` is what arrived at the other end."""

    def __init__(self, slow=False) -> None:
        self.slow = slow
        self.read = b""
        self.unread = 0
        self.closed = False
        self.paused = False

    def write(self, data):
        self.read += data
        if self.slow:
            self.unread += len(data)

    def get_write_buffer_size(self):
        return self.unread

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


class World:
    def __init__(self, timeout=0, at_once=True) -> None:
        self.loop = FakeLoop()
        self.machine = FakeMachine(at_once)
        self.console = ServedConsole(
            "n", self.loop, self.machine, timeout, chance=lambda: 0.0
        )

    def reader(self, **how):
        reader = FakeReader(**how)
        self.console.arrived(reader)
        self.loop.run()
        return reader

    def type(self, reader, data):
        self.console.typed(reader, data)
        self.loop.run()

    def write(self, data):
        self.machine.line.write(data)
        self.loop.run()

    def leave(self, reader):
        self.console.left(reader)
        self.loop.run()

    def drop(self, error=None):
        self.machine.line.drop(error)
        self.loop.run()


@pytest.fixture
def world():
    return World()


def test_there_is_no_line_without_a_reader(world):
    world.loop.run(100)
    assert world.machine.openings == []
    assert not world.console.is_open


def test_what_is_typed_and_what_is_written_arrive(world):
    reader = world.reader()
    world.type(reader, b"root\r")
    world.write(b"Password: ")
    assert world.machine.line.typed == b"root\r"
    assert reader.read == b"Password: "
    assert world.console.is_open
    assert world.console.has_reader


def test_the_line_is_closed_when_the_reader_leaves(world):
    reader = world.reader()
    world.leave(reader)
    assert world.machine.line.is_closed
    world.loop.run(100)
    assert len(world.machine.openings) == 1
    assert not world.console.is_open
    assert not world.console.has_reader


def test_a_second_reader_is_told_so_and_the_first_goes_on(world):
    first, second = world.reader(), world.reader()
    world.type(second, b"me")
    world.loop.run(0.2)
    assert world.machine.line.typed == b""
    assert second.read == b"\r\n[This console has a reader already.]\r\n"
    assert second.closed
    world.leave(second)
    world.write(b"still here")
    assert first.read == b"still here"
    assert len(world.machine.openings) == 1


def test_who_hangs_up_and_calls_again_is_not_a_second_reader(world):
    first, again = world.reader(), world.reader()
    assert again.paused
    world.leave(first)
    world.loop.run(0.2)
    assert not again.paused
    world.write(b"hello")
    assert again.read == b"hello"


def test_a_second_reader_who_left_meanwhile_is_none(world):
    first, second = world.reader(), world.reader()
    world.leave(first)
    second.close()
    world.loop.run(0.2)
    assert not world.console.has_reader


def test_the_next_reader_has_a_line_of_its_own(world):
    world.leave(world.reader())
    second = world.reader()
    world.write(b"hello")
    assert second.read == b"hello"
    assert len(world.machine.lines) == 2
    assert world.machine.lines[0].is_closed


def test_what_is_typed_before_the_line_is_open_is_kept():
    world = World(at_once=False)
    reader = world.reader()
    world.type(reader, b"early ")
    world.type(reader, b"bird")
    world.machine.openings[0]()
    world.loop.run()
    assert world.machine.line.typed == b"early bird"


def test_much_that_is_typed_before_the_line_is_open_fills_no_memory():
    world = World(at_once=False)
    reader = world.reader()
    for _ in range(100):
        world.type(reader, b"x" * 1000)
    world.machine.openings[0]()
    world.loop.run()
    assert len(world.machine.line.typed) == 4096


def test_a_line_that_is_open_after_the_reader_left_is_closed():
    world = World(at_once=False)
    world.leave(world.reader())
    world.machine.openings[0]()
    world.loop.run()
    assert world.machine.line.is_closed


def test_a_new_reader_waits_for_the_end_of_the_line_before():
    world = World(at_once=False)
    world.leave(world.reader())
    second = world.reader()
    assert len(world.machine.openings) == 1
    world.machine.openings[0]()
    world.loop.run()
    assert world.machine.lines[0].is_closed
    assert len(world.machine.openings) == 2
    world.machine.openings[1]()
    world.loop.run()
    world.write(b"mine")
    assert second.read == b"mine"


def test_a_line_that_never_ends_keeps_nobody_waiting():
    world = World(at_once=False)
    world.leave(world.reader())
    world.leave(world.reader())
    second = world.reader()
    world.loop.run(5.0)
    assert len(world.machine.openings) == 2
    world.machine.openings[1]()
    world.loop.run()
    # The first one opens after all, and nobody wants it.
    world.machine.openings[0]()
    world.loop.run()
    newest, late = world.machine.lines
    assert late.is_closed
    assert not newest.is_closed
    newest.write(b"mine")
    world.loop.run()
    assert second.read == b"mine"


def test_a_line_that_is_lost_is_opened_again_and_the_reader_stays(world):
    reader = world.reader()
    world.write(b"before")
    world.drop(RuntimeError("203.0.113.7:623: gone"))
    assert reader.read == b"before\r\n[The console is interrupted.]\r\n"
    assert not reader.closed
    world.loop.run(1.0)
    world.write(b"after")
    assert reader.read.endswith(b"\r\n[The console is back.]\r\nafter")


def test_readers_learn_no_address(world):
    reader = world.reader()
    world.drop(RuntimeError("203.0.113.7:623: gone"))
    assert b"203" not in reader.read


def test_the_pauses_grow_and_a_reader_is_told_once(world):
    world.machine.error = RuntimeError("no answer")
    reader = world.reader()
    opened = []
    for second in range(100):
        if len(world.machine.openings) != len(opened):
            opened.append(second)
        world.loop.run(1.0)
    assert opened == [0, 1, 3, 7, 15, 31, 61, 91]
    assert reader.read == b"\r\n[The console is interrupted.]\r\n"


def test_an_error_says_how_long_a_node_is_left_alone(world):
    error = RuntimeError("no free session")
    error.pause = 30.0
    world.machine.error = error
    world.reader()
    world.loop.run(29.0)
    assert len(world.machine.openings) == 1
    world.loop.run(1.0)
    assert len(world.machine.openings) == 2


def test_after_a_line_that_held_the_pauses_begin_anew(world):
    world.reader()
    for _ in range(3):
        world.drop()
        world.loop.run(30.0)
    world.loop.run(61.0)
    lines = len(world.machine.lines)
    world.drop()
    world.loop.run(1.0)
    assert len(world.machine.lines) == lines + 1


def test_an_opener_that_raises_is_tried_again(world):
    raised = []

    def refuses(received, closed):
        raised.append(1)
        raise ValueError("no")

    world.console._open_line = refuses
    reader = world.reader()
    world.loop.run(1.0)
    assert len(raised) == 2
    assert b"interrupted" in reader.read


def test_what_is_typed_in_an_interruption_is_not_typed_into_the_next(world):
    reader = world.reader()
    world.drop()
    world.type(reader, b"yes\r")
    world.loop.run(1.0)
    assert world.machine.line.typed == b""
    world.type(reader, b"no\r")
    assert world.machine.line.typed == b"no\r"


def test_a_reader_who_leaves_in_an_interruption_ends_it(world):
    reader = world.reader()
    world.drop()
    world.leave(reader)
    world.loop.run(100.0)
    assert len(world.machine.openings) == 1


def test_a_slow_line_is_not_typed_on_until_it_has_room(world):
    reader = world.reader()
    world.machine.line.unsent = 5000
    world.type(reader, b"x")
    assert reader.paused
    world.loop.run(1.0)
    assert reader.paused
    world.machine.line.unsent = 0
    world.loop.run(0.1)
    assert not reader.paused


def test_a_slow_line_that_is_lost_lets_the_reader_type_again(world):
    reader = world.reader()
    world.machine.line.unsent = 5000
    world.type(reader, b"x")
    world.drop()
    assert not reader.paused


def test_a_slow_reader_misses_bytes_and_is_told_how_many(world):
    reader = world.reader(slow=True)
    for _ in range(300):
        world.write(b"x" * 1024)
    assert len(reader.read) == 262144
    reader.unread = 0
    world.write(b"end")
    assert reader.read.endswith(b"\r\n[45056 bytes are left out here.]\r\nend")


def test_a_reader_who_is_silent_for_too_long_is_sent_away():
    world = World(timeout=600)
    reader = world.reader()
    world.loop.run(599.0)
    world.type(reader, b"x")
    world.loop.run(599.0)
    world.write(b"y")
    world.loop.run(599.0)
    assert not reader.closed
    world.loop.run(1.0)
    assert reader.closed
    assert reader.read.endswith(
        b"\r\n[Nothing was read or written for 600 s.]\r\n"
    )


def test_a_console_that_ends_says_so_and_takes_no_more_readers(world):
    reader = world.reader()
    world.console.end()
    world.leave(reader)
    assert reader.read == b"\r\n[The console was switched off.]\r\n"
    assert reader.closed
    assert world.machine.line.is_closed
    late = world.reader()
    assert late.closed
    world.loop.run(100.0)
    assert len(world.machine.openings) == 1
