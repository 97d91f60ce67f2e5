# SPDX-License-Identifier: Apache-2.0
"""Runs on a played clock, in the caller's thread; what they leave behind."""

from __future__ import annotations

import logging

import pytest
from futurist.periodics import NeverAgain

from baremetal_backend.conductor.node_periodic import Report
from baremetal_backend.conductor.periodic.collect import Found
from baremetal_backend.conductor.periodic.scheduler import Scheduler
from baremetal_backend.conductor.periodic.statistics import Statistics
from baremetal_backend.core.errors import HardwareFailed, ShuttingDown
from baremetal_backend.core.schedule import Overrun, Plan
from baremetal_backend.drivers.periodics import PeriodicTask

WALL = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Inline:
    """Runs at once, or keeps runs until the test lets them go."""

    def __init__(self) -> None:
        self.held: list | None = None

    def start(self, name, work, parallel):
        if self.held is None:
            work()
        else:
            self.held.append(work)


class NoThreads:
    def start(self, name, work, parallel):
        raise RuntimeError("can't start new thread")


class Stage:
    """A scheduler whose time and threads are the test's."""

    def __init__(self, threads=None) -> None:
        self.clock = Clock()
        self.threads = threads or Inline()
        self.statistics = Statistics(
            lambda: WALL + self.clock.now - 50.0, self.clock
        )
        self.scheduler = Scheduler(
            self.statistics, self.threads, self.clock, lambda: 0.0
        )

    def add(self, call, plan=None, name="task"):
        found = Found((call, 0), name, PeriodicTask(10.0), call)
        self.scheduler.add(found, call, plan or Plan(10.0))
        return found

    def at(self, now: float) -> None:
        self.clock.now = 50.0 + now
        self.scheduler.step()

    @property
    def info(self):
        (one,) = self.statistics.snapshot()
        return one


@pytest.fixture
def stage():
    return Stage()


def test_a_task_runs_when_it_is_due_and_not_before(stage):
    runs = []
    stage.add(lambda context: runs.append(stage.clock.now))
    for now in (0, 5, 9.9, 10, 11, 19, 20, 25, 31):
        stage.at(now)
    assert runs == [60.0, 70.0, 81.0]


def test_each_run_has_a_context_of_its_own(stage):
    contexts = []
    stage.add(contexts.append)
    stage.at(10)
    stage.at(20)
    first, second = contexts
    assert first.is_admin
    assert first.request_id != second.request_id


def test_statistics_tell_of_the_last_run_and_the_next(stage):
    def work(context):
        stage.clock.now += 2.5
        return Report(looked_at=9, acted=2, skipped=1, failed=0, seconds=2.5)

    stage.add(work)
    assert stage.info.next_run_at == "2027-01-15T08:00:10+00:00"
    assert stage.info.runs == 0
    stage.at(11)
    info = stage.info
    assert info.lag == 1.0
    assert info.last_seconds == 2.5
    assert info.last_started_at == "2027-01-15T08:00:11+00:00"
    assert info.last_ended_at == "2027-01-15T08:00:13+00:00"
    assert info.next_run_at == "2027-01-15T08:00:20+00:00"
    assert (info.last_result, info.runs, info.running) == ("done", 1, False)
    assert info.last_report == {
        "looked_at": 9,
        "acted": 2,
        "skipped": 1,
        "failed": 0,
        "seconds": 2.5,
    }


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (HardwareFailed("the BMC is silent"), "the BMC is silent"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_whatever_a_run_raises_is_counted_and_the_task_goes_on(
    stage, error, sentence
):
    trouble = [error, error, None]

    def work(context):
        found = trouble.pop(0)
        if found is not None:
            raise found

    stage.add(work)
    stage.at(10)
    assert stage.info.last_error == sentence
    stage.at(20)
    info = stage.info
    assert (info.runs, info.failures, info.consecutive_failures) == (2, 2, 2)
    assert info.last_result == "failed"
    stage.at(30)
    info = stage.info
    assert (info.runs, info.failures, info.consecutive_failures) == (3, 2, 0)
    assert (info.last_result, info.last_error) == ("done", None)


def test_a_traceback_is_logged_once_as_long_as_the_failure_is_the_same(
    stage, caplog
):
    trouble = [ValueError("a"), ValueError("a"), ValueError("b"), None]

    def work(context):
        if (found := trouble.pop(0)) is not None:
            raise found

    stage.add(work)
    with caplog.at_level(logging.INFO):
        for now in (10, 20, 30, 40):
            stage.at(now)
    lines = [(r.getMessage(), bool(r.exc_info)) for r in caplog.records]
    assert lines == [
        ("Periodic task task failed: ValueError: a", True),
        ("Periodic task task failed: ValueError: a", False),
        ("Periodic task task failed: ValueError: b", True),
        ("Periodic task task works again after 3 failed runs.", False),
    ]


def test_a_service_that_stops_is_no_failure_of_a_task(stage, caplog):
    def work(context):
        raise ShuttingDown("me")

    stage.add(work)
    stage.at(10)
    assert (stage.info.failures, caplog.records) == (0, [])


def test_a_run_that_takes_too_long_is_said_once(stage, caplog):
    stage.threads.held = []
    stage.add(lambda context: None)
    for now in (10, 20, 30, 40):
        stage.at(now)
    assert len(stage.threads.held) == 1
    assert stage.info.missed == 3
    assert [r.getMessage() for r in caplog.records] == [
        "Periodic task task still runs after its spacing of 10 s; runs that "
        "are due are left out until it ends."
    ]
    stage.threads.held.pop()()
    stage.at(50)
    assert len(stage.threads.held) == 1


def test_a_queued_run_follows_at_once(stage):
    stage.threads.held = []
    stage.add(lambda context: None, Plan(10.0, overrun=Overrun.QUEUE_ONE))
    for now in (10, 20, 30):
        stage.at(now)
    stage.threads.held.pop()()
    stage.at(33)
    assert len(stage.threads.held) == 1
    assert stage.info.missed == 1


def test_lag_counts_the_wait_for_a_thread(stage):
    stage.threads.held = []
    stage.add(lambda context: None)
    stage.at(10)
    stage.clock.now += 4
    stage.threads.held.pop()()
    assert stage.info.lag == 4.0


def test_without_a_thread_the_run_failed_and_the_next_is_due():
    stage = Stage(NoThreads())
    stage.add(lambda context: None)
    stage.at(10)
    assert stage.info.last_error == "can't start new thread"
    stage.at(20)
    assert stage.info.consecutive_failures == 2


def test_futurists_never_again_ends_a_task(stage):
    runs = []

    def work(context):
        runs.append(1)
        raise NeverAgain

    stage.add(work)
    stage.at(10)
    stage.at(20)
    assert runs == [1]
    info = stage.info
    assert (info.enabled, info.next_run_at, info.failures) == (False, None, 0)
    assert stage.scheduler.tasks == ()


def test_a_task_that_is_added_twice_runs_once(stage):
    runs = []

    def work(context):
        runs.append(1)

    stage.add(work)
    stage.add(work)
    stage.at(10)
    assert runs == [1]


def test_a_disabled_task_is_shown_and_does_not_run(stage):
    runs = []
    stage.add(runs.append, Plan(10.0, enabled=False))
    stage.at(1000)
    assert runs == []
    assert (stage.info.enabled, stage.info.next_run_at) == (False, None)


def test_a_new_plan_takes_effect_at_once(stage, caplog):
    runs = []
    found = stage.add(lambda context: runs.append(stage.clock.now - 50))
    with caplog.at_level(logging.INFO):
        stage.scheduler.replan([(found.key, Plan(2.0))])
        stage.at(1)
        stage.at(2)
        stage.scheduler.replan([(found.key, Plan(2.0))])
        stage.scheduler.replan([(found.key, Plan(2.0, enabled=False))])
        stage.at(100)
    assert runs == [2.0]
    assert stage.info.spacing == 2.0
    assert [r.getMessage() for r in caplog.records] == [
        "Periodic task task: every 2 s.",
        "Periodic task task: off.",
    ]


def test_a_plan_for_a_task_that_ended_is_ignored(stage):
    stage.scheduler.replan([(("gone", 0), Plan(1.0))])
    assert stage.statistics.snapshot() == ()


def test_after_stop_nothing_begins(stage):
    runs = []
    stage.add(runs.append)
    stage.scheduler.stop()
    stage.at(100)
    assert runs == []
