# SPDX-License-Identifier: Apache-2.0
"""Real threads: no overlap, as many as the drivers want, few of the rest."""

from __future__ import annotations

import threading
import time

import pytest

from baremetal_backend.conductor.periodic import threads as module
from baremetal_backend.conductor.periodic.collect import Found
from baremetal_backend.conductor.periodic.scheduler import Scheduler
from baremetal_backend.conductor.periodic.statistics import Statistics
from baremetal_backend.conductor.periodic.threads import PeriodicThreads
from baremetal_backend.core.schedule import Plan
from baremetal_backend.drivers.periodics import PeriodicTask

PATIENCE = 20.0


class Gate:
    """Work that tells when it began and ends when it may."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.names: list[str] = []
        self._lock = threading.Lock()
        self.present = self.most = 0

    def __call__(self, context=None) -> None:
        with self._lock:
            self.names.append(threading.current_thread().name)
            self.present += 1
            self.most = max(self.most, self.present)
        self.began.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        with self._lock:
            self.present -= 1

    def wait_begun(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.began.acquire(timeout=PATIENCE)

    def nothing_begins(self) -> bool:
        return not self.began.acquire(timeout=0.1)


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.may_end.release(1000)


def test_parallel_runs_are_not_limited(gate):
    threads = PeriodicThreads(lambda: 1)
    for number in range(20):
        threads.start(f"t{number}", gate, parallel=True)
    gate.wait_begun(20)
    assert gate.most == 20
    assert sorted(gate.names) == sorted(f"periodic-t{n}" for n in range(20))
    gate.may_end.release(20)
    assert threads.stop(PATIENCE)


def test_other_runs_share_a_few_threads_in_order(gate):
    threads = PeriodicThreads(lambda: 2)
    for number in range(5):
        threads.start(str(number), gate, parallel=False)
    gate.wait_begun(2)
    assert gate.nothing_begins()
    for _ in range(3):
        gate.may_end.release()
        gate.wait_begun()
    gate.may_end.release(10)
    assert threads.stop(PATIENCE)
    assert gate.names == [f"periodic-{n}" for n in range(5)]
    assert gate.most == 2


def test_drivers_runs_and_the_others_are_not_in_each_others_way(gate):
    threads = PeriodicThreads(lambda: 1)
    threads.start("own", gate, parallel=False)
    threads.start("driver", gate, parallel=True)
    threads.start("driver 2", gate, parallel=True)
    gate.wait_begun(3)
    gate.may_end.release(3)
    assert threads.stop(PATIENCE)


def test_the_limit_may_change(gate):
    limit = [1]
    threads = PeriodicThreads(lambda: limit[0])
    threads.start("a", gate, parallel=False)
    threads.start("b", gate, parallel=False)
    gate.wait_begun()
    assert gate.nothing_begins()
    limit[0] = 3
    threads.start("c", gate, parallel=False)
    gate.wait_begun(2)
    gate.may_end.release(3)
    assert threads.stop(PATIENCE)


def test_a_run_that_hangs_is_left_alone_at_the_end(gate):
    threads = PeriodicThreads(lambda: 1)
    threads.start("hangs", gate, parallel=True)
    gate.wait_begun()
    assert threads.stop(0.05) is False
    assert threads.running == 1
    (hanging,) = [
        t for t in threading.enumerate() if t.name == "periodic-hangs"
    ]
    assert hanging.daemon


def test_after_stop_nothing_begins(gate):
    threads = PeriodicThreads(lambda: 1)
    assert threads.stop(PATIENCE)
    threads.start("late", gate, parallel=True)
    assert gate.nothing_begins()


def test_without_a_thread_the_waiting_ones_are_tried_again(gate, monkeypatch):
    class Refusing:
        def __init__(self, **_values) -> None: ...

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    threads = PeriodicThreads(lambda: 2)
    with monkeypatch.context() as patch:
        patch.setattr(module.threading, "Thread", Refusing)
        threads.start("a", gate, parallel=False)
        with pytest.raises(RuntimeError):
            threads.start("driver", gate, parallel=True)
    threads.start("b", gate, parallel=False)
    gate.wait_begun(2)
    gate.may_end.release(2)
    assert threads.stop(PATIENCE)
    assert sorted(gate.names) == ["periodic-a", "periodic-b"]


class Running:
    """A scheduler on the real clock with real threads."""

    def __init__(self, workers: int = 8) -> None:
        self.statistics = Statistics(time.time, time.monotonic)
        self.threads = PeriodicThreads(lambda: workers)
        self.scheduler = Scheduler(self.statistics, self.threads)
        self.thread = threading.Thread(target=self.scheduler.run)
        self.thread.start()

    def add(self, name, call, parallel=True, spacing=0.02):
        task = PeriodicTask(spacing, parallel=parallel)
        found = Found((call, len(name)), name, task, call)
        self.scheduler.add(found, call, Plan(spacing))
        return found

    def stop(self) -> None:
        self.scheduler.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.threads.stop(PATIENCE)


@pytest.fixture
def running():
    made = Running()
    yield made
    made.stop()


def until_missed(running, name: str, times: int) -> None:
    turn = threading.Event()
    for _ in range(2000):
        info = {one.name: one for one in running.statistics.snapshot()}
        if info[name].missed >= times:
            return
        turn.wait(0.01)
    raise AssertionError(f"{name} was not due {times} times")


def test_a_task_never_overlaps_itself_whatever_its_duration(running, gate):
    running.add("slow", gate)
    gate.wait_begun()
    until_missed(running, "slow", 5)
    assert gate.most == 1
    gate.may_end.release()
    gate.wait_begun()
    gate.may_end.release(1000)
    assert gate.most == 1


def test_a_slow_task_does_not_delay_the_others(running, gate):
    quick = threading.Semaphore(0)
    running.add("slow", gate)
    running.add("quick", lambda context: quick.release() or None)
    gate.wait_begun()
    for _ in range(5):
        assert quick.acquire(timeout=PATIENCE)
    gate.may_end.release(1000)


def test_a_task_that_is_added_while_the_thread_sleeps_runs(running):
    running.add("rare", lambda context: None, spacing=3600)
    ran = threading.Event()
    running.add("often", lambda context: ran.set())
    assert ran.wait(PATIENCE)


def test_a_sleeping_scheduler_hears_of_a_new_plan(running):
    ran = threading.Event()
    found = running.add("rare", lambda context: ran.set(), spacing=3600)
    running.scheduler.replan([(found.key, Plan(0.02))])
    assert ran.wait(PATIENCE)
