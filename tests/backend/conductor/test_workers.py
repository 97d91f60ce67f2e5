# SPDX-License-Identifier: Apache-2.0
"""Lanes of real threads: caps, figures, and what is let in."""

from __future__ import annotations

import threading

import pytest

from baremetal_backend.conductor.workers import Lane, make_lanes
from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import NoFreeWorker
from tests.fakes.timer import FakeTimer


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class Gate:
    """Work that stays until it is let out."""

    def __init__(self):
        self.inside = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self):
        self.inside.release()
        assert self._open.wait(20)

    def wait_inside(self):
        assert self.inside.acquire(timeout=20)

    def open(self):
        self._open.set()


@pytest.fixture
def gate():
    found = Gate()
    yield found
    found.open()


def until_idle(lane):
    done = threading.Event()
    for _ in range(400):
        if not lane.figures().occupied:
            return
        done.wait(0.05)
    raise AssertionError(lane.figures())


def test_a_lane_admits_as_many_as_it_has_threads(gate):
    lane = Lane("operator", 2)
    lane.admit(gate)
    lane.admit(gate)
    with pytest.raises(NoFreeWorker) as caught:
        lane.admit(lambda: None)
    assert caught.value.status == 503
    assert caught.value.retry_after == 1
    figures = lane.figures()
    assert (figures.busy, figures.admitted, figures.refused) == (2, 2, 1)
    gate.open()
    until_idle(lane)
    lane.stop()
    with pytest.raises(NoFreeWorker):
        lane.admit(lambda: None)
    assert lane.figures().busy == 0


def test_work_that_paused_is_never_refused_and_its_wait_is_visible(
    gate, clock
):
    lane, timer = Lane("provisioning", 1, clock=clock), FakeTimer()
    done = threading.Event()
    lane.later(timer, 5, done.set)
    assert lane.figures().paused == 1
    assert lane.figures().occupied == 0
    lane.admit(gate)
    gate.wait_inside()
    timer.pass_time()
    clock.now = 3.0
    figures = lane.figures()
    assert (figures.paused, figures.busy, figures.waiting) == (0, 1, 1)
    assert figures.oldest_wait == 3.0
    assert figures.percent == 200
    gate.open()
    assert done.wait(20)
    until_idle(lane)
    assert lane.figures().oldest_wait == 0
    lane.stop()


def test_work_in_the_callers_thread_takes_a_place(clock):
    lane = Lane("operator", 1, clock=clock)
    with lane.place():
        assert lane.figures().busy == 1
        with pytest.raises(NoFreeWorker), lane.place():
            pass
        clock.now = 120.0
    figures = lane.figures()
    assert figures.busy == 0
    assert figures.mean_seconds == 120.0
    with lane.place(), pytest.raises(NoFreeWorker) as caught:
        lane.admit(lambda: None)
    assert caught.value.retry_after == 60
    lane.stop()


def test_a_fault_of_the_work_gives_the_place_back(clock):
    lane = Lane("operator", 1, clock=clock)
    for _ in range(3):
        done = threading.Event()

        def broken(done=done):
            done.set()
            raise ZeroDivisionError

        lane.admit(broken)
        assert done.wait(20)
        until_idle(lane)
    with pytest.raises(ZeroDivisionError), lane.place():
        raise ZeroDivisionError
    assert lane.figures().busy == 0
    lane.stop()


def test_background_work_is_shed_first_and_operators_still_get_through(gate):
    lanes = make_lanes(
        ConductorSettings(
            workers_pool_size=5,
            operator_workers=5,
            background_workers=5,
            background_shed_above=70,
        )
    )
    for _ in range(3):
        lanes.provisioning.admit(gate)
    with lanes.background.place():
        assert lanes.background.refusal() is None
    lanes.provisioning.admit(gate)
    with pytest.raises(NoFreeWorker), lanes.background.place():
        pass
    assert "80 % full" in lanes.background.refusal()
    lanes.provisioning.admit(gate)
    with pytest.raises(NoFreeWorker):
        lanes.provisioning.admit(gate)
    done = threading.Event()
    lanes.operator.admit(done.set)
    assert done.wait(20)
    # What it had begun before goes on.
    done = threading.Event()
    lanes.background.go_on(done.set)
    assert done.wait(20)
    names = [figures.name for figures in lanes.figures()]
    assert names == ["operator", "provisioning", "background"]
    assert [figures.refused for figures in lanes.figures()] == [0, 1, 1]
    gate.open()
    lanes.stop()


def test_threads_are_named_after_their_lane():
    lane = Lane("background", 1)
    names, done = [], threading.Event()

    def work():
        names.append(threading.current_thread().name)
        done.set()

    lane.admit(work)
    assert done.wait(20)
    assert names[0].startswith("baremetal-background_")
    lane.stop()
