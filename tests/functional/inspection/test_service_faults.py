# SPDX-License-Identifier: Apache-2.0
"""An ironic-inspector that is away, hangs, or answers nonsense.

Nothing fails before its deadline because the service is not to be had.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.faulty_proxy import HANG_UP, Answer, Fault, Request
from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import (
    POLL,
    Pair,
    is_question,
    is_start,
)

#: Seconds that an outage lasts: several polls.
OUTAGE = 3 * POLL
#: Seconds after which the service is asked again after an outage: questions
#: are twice as far apart each time.
PATIENCE = 40

HTML = (("Content-Type", "text/html"),)

#: What a broken service, or what stands before it, may answer to a question.
NONSENSE: dict[str, Answer] = {
    "500": Answer(500, b'{"error": {"message": "database is gone"}}'),
    "a page": Answer(200, b"<html>It works!</html>", HTML),
    "broken records": Answer(200, b'{"introspection": [{}, 7, null]}'),
    "hangs up": HANG_UP,
}


@pytest.fixture(scope="module")
def running(make_pair: MakePair) -> Pair:
    return make_pair()


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    yield running
    running.heal()


def one_warning(pair: Pair, since: int) -> str:
    """The only warning about the service since then."""
    (line,) = pair.warnings(since)
    return line


def until_back(pair: Pair, since: int) -> None:
    """Wait until our service has seen that the other is back."""
    until(
        lambda: pair.good_news(since) != [],
        PATIENCE,
        "a line that says that the service is back",
    )


# -- outages ---------------------------------------------------------------


def test_a_service_that_is_away_at_the_start_is_waited_for(
    pair: Pair,
) -> None:
    machines = pair.machines(3)
    pair.proxy.go_down()
    since = len(pair.log())
    pair.inspect(*machines)
    pair.stay(machines, "inspect wait", OUTAGE)
    line = one_warning(pair, since)
    pair.proxy.come_up()
    pair.until_booted(*machines, seconds=PATIENCE)
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine, PATIENCE)
    until_back(pair, since)
    assert pair.warnings(since) == [line]


def test_a_service_that_goes_away_is_said_once_and_fails_nothing(
    pair: Pair,
) -> None:
    machines = pair.machines(3)
    pair.begun(*machines)
    since = len(pair.log())
    pair.inspector_goes()
    pair.stay(machines, "inspect wait", OUTAGE)
    line = one_warning(pair, since)
    assert "3 nodes" in line
    pair.inspector_comes()
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine, PATIENCE)
    until_back(pair, since)
    assert pair.warnings(since) == [line]


def test_a_service_that_hangs_is_said_once_and_fails_nothing(
    pair: Pair,
) -> None:
    waiting, starting = machines = pair.machines(2)
    pair.begun(waiting)
    since = len(pair.log())
    pair.inspector.hang()
    pair.inspect(starting)
    pair.stay(machines, "inspect wait", 6)
    one_warning(pair, since)
    # Requests about nodes are answered meanwhile.
    before = time.monotonic()
    pair.show(waiting)
    assert time.monotonic() - before < 1
    pair.inspector.resume()
    pair.until_booted(starting, seconds=PATIENCE)
    pair.report(*machines)
    for machine in machines:
        pair.ends_well(machine, PATIENCE)
    until_back(pair, since)


def test_a_slow_service_is_no_trouble(pair: Pair) -> None:
    machine = pair.machine()
    since = len(pair.log())

    def slow(request: Request) -> None:
        time.sleep(1.2)

    pair.proxy.fault = slow
    pair.begun(machine)
    pair.report(machine)
    pair.ends_well(machine)
    assert pair.warnings(since) == []


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_instead_of_records_fails_nothing(
    pair: Pair, nonsense: Answer
) -> None:
    machine = pair.machine()
    pair.begun(machine)
    since = len(pair.log())
    pair.proxy.fault = to_questions(nonsense)
    until(lambda: pair.warnings(since) != [], PATIENCE, "a warning")
    pair.stay([machine], "inspect wait", 2 * POLL)
    one_warning(pair, since)
    pair.proxy.fault = None
    pair.report(machine)
    pair.ends_well(machine, PATIENCE)
    until_back(pair, since)


def to_questions(answer: Answer) -> Fault:
    """All questions get this answer."""
    return lambda request: answer if is_question(request) else None


def test_each_change_of_trouble_is_one_line(pair: Pair) -> None:
    machine = pair.machine()
    pair.begun(machine)
    since = len(pair.log())
    pair.proxy.fault = to_questions(NONSENSE["500"])
    until(lambda: len(pair.warnings(since)) == 1, PATIENCE, "a warning")
    pair.proxy.fault = to_questions(NONSENSE["a page"])
    until(lambda: len(pair.warnings(since)) == 2, PATIENCE, "another one")
    pair.proxy.fault = None
    until_back(pair, since)
    assert len(pair.warnings(since)) == 2
    pair.report(machine)
    pair.ends_well(machine)


# -- starts whose answer is not the truth ----------------------------------


@pytest.mark.parametrize(
    "answer",
    [Answer(500, b'{"error": {"message": "MessagingTimeout"}}'), HANG_UP],
    ids=["500", "lost"],
)
def test_a_start_that_is_not_answered_and_happens_is_not_repeated(
    pair: Pair, answer: Answer
) -> None:
    machine = pair.machine()
    pair.proxy.rewrite = lambda request, truth: (
        answer if is_start(request) else truth
    )
    pair.inspect(machine)
    pair.until_booted(machine)
    record = pair.inspector.status(machine.uuid)
    pair.stay([machine], "inspect wait", 3 * POLL)
    pair.proxy.rewrite = None
    assert len(pair.starts(machine)) == 1
    assert pair.inspector.status(machine.uuid) == record
    pair.report(machine)
    pair.ends_well(machine)


@pytest.mark.parametrize(
    "answer",
    [Answer(500, b'{"error": {"message": "ConnectFailure"}}'), HANG_UP],
    ids=["500", "lost"],
)
def test_a_start_that_did_not_happen_is_repeated(
    pair: Pair, answer: Answer
) -> None:
    machine = pair.machine()
    pair.proxy.fault = lambda request: (
        answer if is_start(request) and not pair.starts(machine)[1:] else None
    )
    pair.inspect(machine)
    pair.until_booted(machine)
    assert len(pair.starts(machine)) == 2
    pair.report(machine)
    pair.ends_well(machine)


def test_a_start_that_is_refused_fails_with_the_services_words(
    pair: Pair,
) -> None:
    machine = pair.machine()
    refusal = Answer(400, b'{"error": {"message": "not on a Sunday"}}')
    pair.proxy.fault = lambda request: refusal if is_start(request) else None
    pair.inspect(machine)
    shown = pair.ends(machine, "inspect failed", 10)
    assert "not on a Sunday" in shown["last_error"]
    assert len(pair.starts(machine)) == 1
    pair.proxy.fault = None
    pair.works(machine)


# -- records of earlier inspections ----------------------------------------


def test_the_result_of_an_earlier_inspection_is_not_taken_for_this_ones(
    pair: Pair,
) -> None:
    machine = pair.machine()
    pair.works(machine)
    first = pair.inspector.status(machine.uuid)
    assert first is not None
    assert first["finished"]
    starts = len(pair.starts(machine))
    # The inspector is asked late, and shows the old record meanwhile.
    late = time.monotonic() + 3 * POLL

    def slow(request: Request) -> None:
        if is_start(request):
            time.sleep(max(0.0, late - time.monotonic()))

    pair.proxy.fault = slow
    pair.inspect(machine)
    pair.stay([machine], "inspect wait", 2 * POLL)
    assert pair.inspector.status(machine.uuid) == first
    pair.until_booted(machine)
    pair.stay([machine], "inspect wait", 2 * POLL)
    assert len(pair.starts(machine)) == starts + 1
    pair.report(machine)
    pair.ends_well(machine)
    assert pair.inspector.status(machine.uuid) != first


def test_the_failure_of_an_earlier_inspection_is_not_taken_for_this_ones(
    pair: Pair,
) -> None:
    machine = pair.machine(properties={"root_device": {"name": "/dev/no"}})
    pair.begun(machine)
    assert pair.inspector.report(machine.report()).status == 400
    pair.ends(machine, "inspect failed")
    pair.patch(machine, "/properties", {})
    pair.works(machine)
