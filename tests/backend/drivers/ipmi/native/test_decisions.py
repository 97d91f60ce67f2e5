# SPDX-License-Identifier: Apache-2.0
"""The client's pure parts: breaker, pace, queues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import CHASSIS_STATUS
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    Refused,
    Unreachable,
)
from baremetal_backend.drivers.ipmi.native.breaker import CLOSED, Circuit
from baremetal_backend.drivers.ipmi.native.pace import Pace
from baremetal_backend.drivers.ipmi.native.work import Queue, Work

SILENT = Unreachable("h:623", "x", 1.0, "no answer")


def failed(circuit: Circuit, now: float = 100.0) -> Circuit:
    return circuit.failed(SILENT, now, 3, 60.0)


# -- breaker ------------------------------------------------------------------


def test_two_failures_have_no_consequence() -> None:
    assert failed(failed(CLOSED)).admits(100.0)


def test_the_third_failure_opens_the_circuit_for_a_second() -> None:
    circuit = failed(failed(failed(CLOSED)))
    assert not circuit.admits(100.9)
    assert circuit.admits(101.0)


def test_the_pause_doubles_up_to_the_longest() -> None:
    circuit = CLOSED
    pauses = []
    for _ in range(12):
        circuit = failed(circuit)
        pauses.append((circuit.open_until or 100.0) - 100.0)
    assert pauses == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_one_question_goes_through_while_others_wait() -> None:
    circuit = failed(failed(failed(CLOSED)))
    assert circuit.admits(102.0)
    probing = circuit.probing(102.0, 4.0)
    assert not probing.admits(103.0)


def test_a_closed_circuit_lets_all_through() -> None:
    assert CLOSED.probing(1.0, 5.0).admits(1.0)


def test_who_knows_us_not_is_left_alone_at_once() -> None:
    for error in (BadCredentials, Busy):
        why = error("h:623", "x", 0.1, "no")
        circuit = CLOSED.failed(why, 100.0, 3, 600.0)
        assert circuit.open_until == 100.0 + error.pause


def test_a_refusal_is_an_answer() -> None:
    refusal = Refused("h:623", "x", 0.1, "not now", 0xD5)
    assert failed(failed(CLOSED)).failed(refusal, 100.0, 3, 60.0) == CLOSED


def test_what_is_refused_meanwhile_says_why_and_for_how_long() -> None:
    circuit = failed(failed(failed(CLOSED)))
    refusal = circuit.refusal("h:623", "Get Chassis Status", 100.2)
    assert isinstance(refusal, Unreachable)
    assert refusal.retry_after == pytest.approx(0.8)
    assert SILENT.retry_after is None
    assert str(refusal) == (
        "h:623: Get Chassis Status failed after 0.0 s: not asked for another "
        "1 s, failures in a row: 3; the last one: no answer"
    )


# -- pace ---------------------------------------------------------------------


def test_the_first_repetition_comes_after_a_quarter_of_a_second() -> None:
    assert 0.2 < Pace().wait(1, 0.0) <= Pace().wait(1, 0.999) < 0.31


def test_a_slow_controller_is_given_three_round_trips() -> None:
    pace = Pace().measured(0.5, 1)
    assert 1.3 < pace.wait(1, 0.5) < 1.7


def test_where_all_answers_are_late_that_is_learned() -> None:
    pace = Pace().measured(0.01, 1)
    for _ in range(40):
        pace = pace.measured(0.8, 3)
    assert pace.wait(1, 0.5) > 0.8


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 9))),
    st.integers(1, 50),
    st.floats(0, 0.999),
)
def test_a_wait_is_never_shorter_than_before_or_endless(
    samples: list[tuple[float, int]], tries: int, chance: float
) -> None:
    pace = Pace()
    for seconds, sent in samples:
        pace = pace.measured(seconds, sent)
    assert 0.2 < pace.wait(tries, chance) <= 4.4
    assert pace.wait(tries, 0.5) <= pace.wait(tries + 1, 0.5)


# -- queues -------------------------------------------------------------------


def work(deadline: float, background: bool = False) -> Work:
    return Work(
        Bmc(address="h"),
        CHASSIS_STATUS,
        0.0,
        deadline,
        lambda _: None,
        background=background,
    )


def test_clients_come_first_and_each_kind_in_order() -> None:
    queue = Queue()
    given_in = [work(9, True), work(9), work(9, True), work(9)]
    for one in given_in:
        queue.put(one)
    taken = [queue.take() for _ in range(4)]
    assert taken == [given_in[1], given_in[3], given_in[0], given_in[2]]
    assert queue.take() is None


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans())), st.floats(0, 10))
def test_what_is_too_late_is_taken_out_and_nothing_else(
    given_in: list[tuple[float, bool]], now: float
) -> None:
    queue = Queue()
    for deadline, background in given_in:
        queue.put(work(deadline, background))
    late = queue.expired(now)
    assert all(one.deadline <= now for one in late)
    assert all(one.deadline > now for one in queue)
    assert len(late) + len(queue) == len(given_in)
    assert all(queue.soonest <= one.deadline for one in queue)
