# SPDX-License-Identifier: Apache-2.0
"""Threads run what they are given, urgent work first, and end."""

from __future__ import annotations

import threading
import time

import pytest

from baremetal_backend.drivers.discoverd.pool import Threads
from tests.fakes.inspection_service import HandPool

PATIENCE = 20


@pytest.fixture
def pool():
    made = Threads(2)
    yield made
    made.stop()


def test_work_runs_in_as_many_threads_as_were_asked_for(pool):
    pool.start()
    both = threading.Barrier(2)
    names = []
    done = threading.Semaphore(0)

    def work():
        both.wait(PATIENCE)
        names.append(threading.current_thread().name)
        done.release()

    for _ in range(2):
        pool.put(work)
    for _ in range(2):
        assert done.acquire(timeout=PATIENCE)
    assert sorted(names) == ["baremetal-discoverd-0", "baremetal-discoverd-1"]


def test_urgent_work_does_not_wait_for_other_work():
    pool, order, done = Threads(1), [], threading.Event()
    for name in ("start 1", "start 2"):
        pool.put(lambda name=name: order.append(name))
    pool.put(lambda: order.append("end 1"), urgent=True)
    pool.put(lambda: order.append("end 2"), urgent=True)
    pool.put(done.set)
    pool.start()
    assert done.wait(PATIENCE)
    pool.stop()
    assert order == ["end 1", "end 2", "start 1", "start 2"]


def test_the_pool_of_tests_has_the_same_order():
    pool, order = HandPool(), []
    for name in ("start 1", "start 2"):
        pool.put(lambda name=name: order.append(name))
    for name in ("end 1", "end 2"):
        pool.put(lambda name=name: order.append(name), urgent=True)
    assert len(pool.waiting) == 4
    assert pool.run() == 4
    assert order == ["end 1", "end 2", "start 1", "start 2"]
    pool.put(lambda: order.append("late"))
    pool.stop()
    assert pool.run() == 0


def test_a_request_that_hangs_delays_the_stop_for_seconds_only(
    pool, monkeypatch
):
    monkeypatch.setattr(
        "baremetal_backend.drivers.discoverd.pool._PATIENCE", 0.1
    )
    pool.start()
    running, release, never = (threading.Event() for _ in range(3))

    def hang():
        running.set()
        release.wait(PATIENCE)

    pool.put(hang)
    assert running.wait(PATIENCE)
    begun = time.monotonic()
    pool.stop()
    assert time.monotonic() - begun < PATIENCE / 2
    pool.put(never.set)
    release.set()
    assert not never.is_set()


def test_what_waits_at_the_stop_never_runs():
    pool, done = Threads(1), []
    pool.put(lambda: done.append("late"))
    pool.stop()
    pool.start()
    pool.stop()
    assert done == []
