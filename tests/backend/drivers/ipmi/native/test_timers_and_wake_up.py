# SPDX-License-Identifier: Apache-2.0
"""What the pump waits for besides datagrams: the time, and other threads."""

from __future__ import annotations

import gc
import math
import select
import weakref
from collections.abc import Callable

from baremetal_backend.drivers.ipmi.native.timers import Timers
from baremetal_backend.drivers.ipmi.native.wake_up import WakeUp


def readable(wake_up: WakeUp) -> bool:
    return bool(select.select([wake_up.socket], [], [], 0)[0])


def taken(timers: Timers, now: float) -> list[float]:
    found = []
    while (timer := timers.take(now)) is not None:
        found.append(timer.when)
    return found


def test_the_soonest_comes_first_and_none_before_its_time() -> None:
    timers = Timers()
    for when in (3.0, 1.0, 2.0, 5.0):
        timers.put(when, lambda: None)

    assert timers.due == 1.0
    assert taken(timers, 3.0) == [1.0, 2.0, 3.0]
    assert timers.due == 5.0
    assert taken(timers, 4.9) == []


def test_of_two_at_a_time_the_older_comes_first() -> None:
    timers = Timers()
    first = timers.put(1.0, lambda: None)
    second = timers.put(1.0, lambda: None)

    assert [timers.take(1.0), timers.take(1.0)] == [first, second]


def test_a_cancelled_timer_is_neither_waited_for_nor_called() -> None:
    timers = Timers()
    soon = timers.put(1.0, lambda: None)
    timers.put(2.0, lambda: None)

    soon.cancel()

    assert timers.due == 2.0
    assert taken(timers, 9.0) == [2.0]
    assert timers.due == math.inf


def test_a_cancelled_timer_lets_go_of_what_it_would_have_called() -> None:
    class Called:
        def __call__(self) -> None:
            """Nothing."""

    def watched() -> tuple[Callable[[], None], weakref.ref[Called]]:
        called = Called()
        return called, weakref.ref(called)

    timers = Timers()
    called, alive = watched()
    timer = timers.put(1.0, called)
    del called

    timer.cancel()
    gc.collect()

    assert alive() is None


def test_cancelled_timers_do_not_pile_up_and_live_ones_stay() -> None:
    timers = Timers()
    kept = [timers.put(float(when), lambda: None) for when in range(300)]
    for _ in range(5000):
        timers.put(1000.0, lambda: None).cancel()

    assert len(timers) <= 601
    assert taken(timers, 2000.0) == [timer.when for timer in kept]


def test_many_calls_are_one_octet_and_the_next_one_is_seen() -> None:
    wake_up = WakeUp()
    assert not readable(wake_up)
    for _ in range(1000):
        wake_up.call()
    assert readable(wake_up)

    assert len(wake_up.socket.recv(4096)) == 1
    wake_up.drain()
    assert not readable(wake_up)

    wake_up.call()
    assert readable(wake_up)
    wake_up.close()


def test_a_call_after_the_end_does_nothing() -> None:
    wake_up = WakeUp()
    wake_up.close()
    wake_up.call()
    assert wake_up.socket.fileno() == -1
