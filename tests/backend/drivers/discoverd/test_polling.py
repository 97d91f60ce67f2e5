# SPDX-License-Identifier: Apache-2.0
"""How inspections are followed, and what does not disturb that."""

from __future__ import annotations

import logging

import pytest

from baremetal_backend.conductor.waiting_timeouts import WaitingTimeouts
from baremetal_backend.core.errors import NoFreeWorker, StorageUnavailable
from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from baremetal_backend.drivers.periodics import MARK
from tests.backend.drivers.discoverd.site import CONTEXT

AWAY = NoAnswer("the service is away", "unreachable", may_have_begun=False)


def end_waits(site, seconds):
    """The conductor's time limit, after so many seconds of waiting."""
    moments = iter([0.0, 0.0, seconds, seconds])
    timeouts = WaitingTimeouts(
        lambda name: {"conductor.inspect_wait_timeout": 1800}.get(name, 0),
        lambda: next(moments),
    )
    timeouts.end_waits(site.manager, CONTEXT)
    timeouts.end_waits(site.manager, CONTEXT)


# -- requests -----------------------------------------------------------------


def test_one_question_is_about_all_nodes(site):
    for _ in range(20):
        site.begun()
    site.asked()
    site.poll()
    assert site.asked() == ["statuses"]


def test_without_inspections_nothing_is_asked(site):
    site.node()
    site.node("inspect failed")
    site.node("inspect wait", inspect_interface="fake")
    site.poll()
    assert site.asked() == []


def test_a_service_that_can_not_list_is_asked_for_each_node(site):
    site.service.lists = False
    nodes = [site.begun() for _ in range(3)]
    site.finished(nodes[0])
    site.asked()
    site.poll()
    assert sorted(site.asked()) == ["data", *["status"] * 3]
    assert site.get(nodes[0]).provision_state == "manageable"
    assert site.get(nodes[1]).provision_state == "inspect wait"


def test_nobody_has_a_node_while_the_service_is_asked(site):
    node = site.begun()
    reservations = set()
    site.service.before = lambda *_: reservations.add(
        site.get(node).reservation
    )
    site.poll()
    site.finished(node)
    site.poll()
    assert site.get(node).provision_state == "manageable"
    assert reservations == {None}


def test_a_poll_waits_for_no_node(site):
    nodes = [site.begun() for _ in range(5)]
    for node in nodes:
        site.finished(node)
    site.asked()
    site.hand_out()
    assert site.asked() == ["statuses"]
    assert len(site.process.pool.waiting) == 5
    # The next one finds them at work.
    site.hand_out()
    assert len(site.process.pool.waiting) == 5


def test_both_names_are_followed_by_one_poll(site):
    one = site.begun()
    other = site.begun(inspect_interface="inspector")
    site.asked()
    site.finished(one)
    site.finished(other)
    site.poll()
    assert site.asked().count("statuses") == 1
    for node in (one, other):
        assert site.get(node).provision_state == "manageable"


# -- many at once -------------------------------------------------------------


def test_fifty_nodes_that_finish_together_end_in_one_poll(site):
    nodes = [site.begun() for _ in range(50)]
    for node in nodes:
        site.finished(node)
    site.asked()
    site.poll()
    assert {site.get(node).provision_state for node in nodes} == {"manageable"}
    asked = site.asked()
    assert asked.count("statuses") == 1
    assert len(asked) == 1 + 50


def test_ends_come_before_starts(site):
    node = site.begun()
    site.finished(node)
    for _ in range(3):
        site.act(site.node(), "inspect")
    site.asked()
    site.poll()
    assert site.asked()[:3] == ["statuses", "data", "status"]


def test_one_nodes_fault_does_not_stop_the_others(site, caplog):
    nodes = [site.begun() for _ in range(3)]
    for node in nodes:
        site.finished(node)
    broken = nodes[1].uuid

    def fault(method, uuid):
        if uuid == broken:
            raise RuntimeError("a bug")

    site.service.before = fault
    with caplog.at_level(logging.ERROR):
        site.poll()
        site.poll()
    states = [site.get(node).provision_state for node in nodes]
    assert states == ["manageable", "inspect wait", "manageable"]
    lines = [one for one in caplog.records if "a bug" in one.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info
    site.service.before = lambda *_: None
    site.poll()
    assert site.get(nodes[1]).provision_state == "manageable"


# -- the service is not to be had ---------------------------------------------


@pytest.mark.parametrize("trouble", ["unreachable", "timeout", "rubbish"])
def test_a_service_that_is_away_fails_nothing_and_is_said_once(
    site, caplog, trouble
):
    nodes = [site.begun() for _ in range(3)]
    site.asked()
    site.service.go_down(trouble)
    with caplog.at_level(logging.INFO):
        for _ in range(30):
            site.poll(10)
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert "3 nodes wait for it" in caplog.text
    assert {site.get(n).provision_state for n in nodes} == {"inspect wait"}
    # It is left alone for longer and longer.
    assert site.asked() == ["statuses"] * 3
    site.service.come_back()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        site.poll(300)
        site.poll()
    assert len(caplog.records) == 1
    assert "answers again" in caplog.text


def test_a_service_that_goes_away_in_between_is_asked_no_further(site):
    site.service.lists = False
    for _ in range(20):
        site.begun()
    site.asked()
    site.service.go_down()
    site.poll()
    assert site.asked() == ["status"]


# -- records that are missing -------------------------------------------------


def test_a_record_missing_from_a_page_of_the_list_is_asked_for_itself(site):
    node = site.begun()
    record = site.service.records.pop(node.uuid)

    def back(method, _uuid):
        if method == "status":
            site.service.records[node.uuid] = record

    site.service.before = back
    for _ in range(3):
        site.service.records.pop(node.uuid, None)
        site.poll()
    assert site.get(node).provision_state == "inspect wait"


def test_one_missing_record_is_no_failure(site):
    node = site.begun()
    record = site.service.records.pop(node.uuid)
    site.poll()
    site.service.records[node.uuid] = record
    site.poll()
    del site.service.records[node.uuid]
    site.poll()
    assert site.get(node).provision_state == "inspect wait"


def test_a_service_that_forgot_the_node_fails_it_with_that_sentence(site):
    node = site.begun()
    site.service.forget(node.uuid)
    site.poll()
    site.poll()
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert "has no record of this inspection any more" in node.last_error
    assert node.driver_internal_info == {}


def test_a_service_that_lost_its_database_never_ends_a_node_well(site):
    """It was set back to yesterday: there is a finished record."""
    node = site.begun()
    site.finished(node)
    yesterday = site.service.records[node.uuid]
    site.poll()
    site.act(node, "inspect")
    site.soon(0)
    site.service.records[node.uuid] = yesterday
    site.poll()
    site.poll()
    assert site.get(node).provision_state == "inspect failed"


# -- what a record says -------------------------------------------------------


def test_the_previous_result_stays_until_the_start_is_answered(site):
    node = site.begun()
    site.finished(node)
    site.poll()
    node = site.act(node, "inspect")
    # A poll before the service is asked, and one while it is.
    site.hand_out()

    def polled(method, _uuid):
        if method == "start":
            site.service.before = lambda *_: None
            site.hand_out()

    site.service.before = polled
    site.settle()
    assert site.service.count("start") == 2
    for _ in range(3):
        site.poll()
        assert site.get(node).provision_state == "inspect wait"


def test_state_error_without_finished_is_no_end(site):
    node = site.begun()
    site.service.boot(node.uuid)
    site.service.half_fail(node.uuid)
    site.poll()
    assert site.get(node).provision_state == "inspect wait"
    site.service.finish(node.uuid, "no root disk")
    site.poll()
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert node.last_error == (
        "Failed to inspect: the inspection service says: no root disk"
    )


def test_a_ramdisks_error_ends_with_the_conductors_own_time_limit(site):
    """The service has no way from waiting to error: it stays silent."""
    node = site.begun()
    site.service.boot(node.uuid)
    site.poll()
    end_waits(site, 1801.0)
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert "nothing was heard for 1800 s" in node.last_error
    # The service is told to stop as well.
    site.poll()
    assert site.service.records[node.uuid].error == "Canceled by operator"
    assert site.get(node).driver_internal_info == {}


def test_a_time_limit_while_the_service_is_away_is_cleaned_up_later(site):
    node = site.begun()
    site.service.boot(node.uuid)
    site.service.go_down()
    site.poll()
    end_waits(site, 1801.0)
    site.poll(300)
    assert site.attempt(node) is not None
    site.service.come_back()
    site.poll(300)
    assert site.service.records[node.uuid].finished
    assert site.attempt(node) is None


def test_a_service_that_can_not_give_up_yet_is_told_again(site):
    node = site.begun()
    end_waits(site, 1801.0)
    site.poll()
    assert site.attempt(node) is not None
    site.service.boot(node.uuid)
    site.poll()
    assert site.service.records[node.uuid].error == "Canceled by operator"
    assert site.attempt(node) is None


def test_a_service_that_never_gives_up_is_said_and_left(site, caplog):
    node = site.begun()
    site.service.fail_next("abort", Refusal("abort: needs version 1.3", 406))
    end_waits(site, 1801.0)
    with caplog.at_level(logging.WARNING):
        site.poll()
    assert "goes on with it: abort: needs version 1.3" in caplog.text
    assert site.attempt(node) is None


def test_a_start_that_may_still_begin_is_waited_for_before_it_is_forgotten(
    site,
):
    node = site.act(site.node(), "inspect")
    site.service.answer_500_and_start(later=True)
    site.soon(0)
    end_waits(site, 1801.0)
    site.poll()
    assert site.attempt(node) is not None
    site.service.begin_late()
    site.service.boot(node.uuid)
    site.poll()
    assert site.service.records[node.uuid].error == "Canceled by operator"
    assert site.attempt(node) is None


def test_a_node_that_waits_for_nothing_is_not_left_waiting(site):
    node = site.node("inspect wait")
    site.poll()
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert "did not begin" in node.last_error


def test_a_node_that_others_inspect_by_now_is_left_alone(site):
    node = site.begun()
    node = site.act(node, "abort")
    site.change(
        node,
        inspect_interface="fake",
        driver_info={"fake_inspect_wait": "heartbeat"},
    )
    node = site.act(node, "inspect")
    site.asked()
    site.soon()
    site.poll()
    assert site.get(node).provision_state == "inspect wait"
    assert site.asked() == []


# -- the conductor can't ------------------------------------------------------


def test_the_power_off_at_the_end_delays_the_end_by_seconds(site):
    node = site.begun()
    site.finished(node)
    site.asked()
    with site.reserved(node):
        site.poll()
        for _ in range(3):
            site.soon(2)
        assert site.asked() == ["statuses"]
        assert site.get(node).provision_state == "inspect wait"
    site.soon(2)
    assert site.get(node).provision_state == "manageable"


def test_a_node_that_is_taken_in_the_last_moment_is_looked_at_again(site):
    node = site.begun()
    site.finished(node)
    held = []

    def take(method, _uuid):
        if method == "data" and not held:
            held.append(site.reserved(node))
            held[0].__enter__()

    site.service.before = take
    site.poll()
    assert site.get(node).provision_state == "inspect wait"
    held[0].__exit__(None, None, None)
    site.soon(2)
    assert site.get(node).provision_state == "manageable"


@pytest.mark.parametrize(
    "error", [NoFreeWorker(1.0), StorageUnavailable("no database")]
)
def test_what_the_conductor_can_not_do_now_it_does_soon(
    site, monkeypatch, error
):
    node = site.begun()
    site.finished(node)

    def unable(*_args, **_how):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(site.manager, "resume", unable)
        site.poll()
    assert site.get(node).provision_state == "inspect wait"
    site.soon(5)
    assert site.get(node).provision_state == "manageable"


def test_a_node_that_is_removed_is_no_trouble(site, caplog):
    node = site.begun()
    site.finished(node)
    site.hand_out()
    site.world.storage.nodes.delete(
        node.uuid, seen_version=site.get(node).version
    )
    with caplog.at_level(logging.WARNING):
        site.settle()
        site.soon()
    assert caplog.records == []


# -- another conductor --------------------------------------------------------


def test_a_successor_goes_on_with_what_was_accepted(site):
    node = site.begun()
    site.restart()
    site.asked()
    site.poll()
    assert site.asked() == ["statuses"]
    site.finished(node)
    site.poll()
    assert site.get(node).provision_state == "manageable"


def test_a_successor_asks_for_what_was_never_asked_for(site):
    node = site.act(site.node(), "inspect")
    site.restart()
    site.poll(0)
    assert site.attempt(node).answered


def test_polls_begin_when_the_conductor_does(site):
    found = getattr(type(site.interface).poll, MARK)
    assert found.run_immediately
    assert found.parallel
    assert found.spacing == "discoverd.status_check_period"


def test_two_conductors_at_one_node_end_it_once(site):
    """The ring has changed, and both think that it is theirs."""
    node = site.begun()
    site.finished(node)
    first = site.process
    site.hand_out()
    site.restart()
    site.hand_out(0)
    first.pool.run()
    site.settle()
    site.soon()
    assert site.get(node).provision_state == "manageable"
    ends = [one for one in site.world.history(node) if "on done" in one]
    assert len(ends) == 1


def test_the_period_can_be_changed_while_it_runs(site):
    site.configure(enabled=True, service_url="x", status_check_period=5)
    site.interface.reload(site.world.settings)
    assert site.equipment.settings.discoverd.status_check_period == 5
    assert site.interface.settings.discoverd.status_check_period == 5


def test_quiet_polls_say_nothing(site, caplog):
    site.begun()
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            site.poll()
    assert caplog.records == []


def test_what_a_person_changed_between_two_attempts_stays(site):
    node = site.begun(properties={"cpus": "4"})
    site.service.boot(node.uuid)
    end_waits(site, 2000)
    site.change(node, properties={"cpus": "64"})
    node = site.act(node, "inspect")
    site.soon(0)
    site.poll(1)
    site.finished(node)
    site.poll()
    assert site.get(node).provision_state == "manageable"
    assert site.get(node).properties["cpus"] == "64"


@pytest.mark.parametrize("away", [False, True])
def test_a_node_that_is_managed_after_its_time_is_given_up_all_the_same(
    site, away
):
    node = site.begun(properties={"cpus": "4"})
    site.service.boot(node.uuid)
    if away:
        site.service.go_down()
    end_waits(site, 2000)
    if away:
        site.poll()
    node = site.act(node, "manage")
    if away:
        site.service.come_back()
        site.poll(400)
    site.poll()
    assert site.service.count("abort") == 1
    assert site.attempt(node) is None


def test_a_node_that_others_inspect_after_its_time_is_given_up(site):
    node = site.begun(properties={"cpus": "4"})
    site.service.boot(node.uuid)
    site.poll()
    end_waits(site, 2000)
    site.change(node, inspect_interface="fake")
    site.poll()
    assert site.service.count("abort") == 1
    assert site.attempt(node) is None


def test_a_record_that_can_not_be_read_is_nothing_to_other_nodes(site, caplog):
    nodes = [site.begun() for _ in range(3)]
    bad = site.begun()
    site.service.forget(bad.uuid)
    error = NoAnswer("500 for this one", "error", may_have_begun=False)
    site.service.fail_next("status", error, bad.uuid, times=100)
    for node in nodes:
        site.finished(node)
    with caplog.at_level(logging.INFO):
        site.poll()
        site.poll()
    states = {site.get(node).provision_state for node in nodes}
    assert states == {"manageable"}
    assert caplog.text.count("500 for this one") == 1
    assert "answers again" not in caplog.text
