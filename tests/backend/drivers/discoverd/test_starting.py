# SPDX-License-Identifier: Apache-2.0
"""How an inspection begins, whatever the service makes of it."""

from __future__ import annotations

import logging

from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal

LOST = NoAnswer("the answer was lost", "timeout", may_have_begun=True)


def test_the_service_is_asked_when_nobody_has_the_node(site):
    node = site.act(site.node(), "inspect")
    assert (node.provision_state, node.reservation) == ("inspect wait", None)
    assert site.service.requests == []
    reservations = []
    site.service.before = lambda *_: reservations.append(
        site.get(node).reservation
    )
    site.soon(0)
    assert site.asked() == ["status", "start"]
    assert reservations == [None, None]
    assert site.attempt(node).answered


def test_a_start_that_was_accepted_is_said_with_the_services_address(
    site, caplog
):
    node = site.act(site.node(), "inspect")
    with caplog.at_level(logging.INFO):
        site.soon(0)
    assert (
        f"Node {node.uuid}: the inspection service at "
        "http://127.0.0.1:5050/v1 accepted it." in caplog.messages
    )


def test_what_is_asked_is_written_down_before_it_is_asked(site):
    node = site.act(site.node(), "inspect")
    seen = {}
    site.service.before = lambda method, _uuid: seen.setdefault(
        method, site.attempt(node).asked
    )
    site.soon(0)
    assert seen == {"status": False, "start": True}


def test_a_node_that_still_has_its_conductor_is_asked_for_a_moment_later(site):
    node = site.act(site.node(), "inspect")
    with site.reserved(node):
        site.soon(0)
        assert site.asked() == []
    site.soon(2)
    assert site.asked() == ["status", "start"]


def test_a_node_is_asked_for_once_while_a_request_is_under_way(site):
    node = site.act(site.node(), "inspect")

    def in_between(method, uuid):
        site.equipment.mark_due(uuid)
        site.tick()
        site.hand_out(0)

    site.service.before = in_between
    site.soon(0)
    site.service.before = lambda *_: None
    site.poll()
    assert site.service.count("start") == 1
    assert site.attempt(node).answered


def test_somebody_who_writes_the_node_in_between_only_delays_the_start(site):
    node = site.act(site.node(), "inspect")

    def written(method, _uuid):
        if method == "status":
            site.service.before = lambda *_: None
            site.change(node, extra={"written": True})

    site.service.before = written
    site.soon(0)
    assert site.asked() == ["status"]
    site.soon(2)
    assert site.asked() == ["status", "start"]
    assert site.attempt(node).answered


# -- answers that are lost ----------------------------------------------------


def test_a_start_answered_500_that_starts_all_the_same_is_followed(site):
    node = site.act(site.node(), "inspect")
    site.service.answer_500_and_start()
    site.soon(0)
    assert not site.attempt(node).answered
    site.poll()
    assert site.service.count("start") == 1
    assert site.attempt(node).answered
    site.finished(node)
    site.poll()
    assert site.get(node).provision_state == "manageable"


def test_a_start_answered_500_that_starts_later_is_followed(site):
    node = site.act(site.node(), "inspect")
    site.service.answer_500_and_start(later=True)
    site.soon(0)

    def late(method, _uuid):
        if method == "start":
            site.service.before = lambda *_: None
            site.service.begin_late()

    # The second start comes when the first has just begun, and is refused.
    site.service.before = late
    site.poll()
    assert site.service.count("start") == 2
    node = site.get(node)
    assert node.provision_state == "inspect wait"
    assert site.attempt(node).answered


def test_a_start_that_was_not_answered_and_not_begun_is_repeated(site):
    node = site.act(site.node(), "inspect")
    site.service.fail_next("start", LOST)
    site.soon(0)
    site.poll()
    assert site.service.count("start") == 2
    assert site.attempt(node).answered


def test_a_lost_answer_never_makes_the_last_result_this_ones(site):
    node = site.begun()
    site.finished(node)
    site.poll()
    node = site.act(node, "inspect")
    site.service.fail_next("start", LOST, times=3)
    site.soon(0)
    for _ in range(2):
        site.poll()
        assert site.get(node).provision_state == "inspect wait"
    assert site.service.count("start") == 4


def test_a_start_that_is_not_answered_is_said_once(site, caplog):
    site.act(site.node(), "inspect")
    site.service.fail_next("start", LOST, times=3)
    with caplog.at_level(logging.WARNING):
        site.soon(0)
        site.poll()
        site.poll()
    lines = [one for one in caplog.messages if "the answer was lost" in one]
    assert len(lines) == 1
    assert lines[0].endswith(
        "It may begin all the same; its record will tell."
    )


def test_a_service_that_is_away_fails_no_start(site):
    node = site.act(site.node(), "inspect")
    site.service.go_down()
    site.soon(0)
    for _ in range(5):
        site.poll()
        assert site.get(node).provision_state == "inspect wait"
    assert site.service.count("start") == 0
    site.service.come_back()
    site.poll(600)
    assert site.attempt(node).answered


def test_a_new_start_is_tried_although_the_service_seems_away(site):
    site.act(site.node(), "inspect")
    site.service.go_down()
    site.soon(0)
    assert not site.equipment.may_poll()
    site.service.come_back()
    second = site.act(site.node(), "inspect")
    site.soon(0)
    assert site.attempt(second).answered


# -- refusals -----------------------------------------------------------------


def test_a_refusal_fails_the_node_with_the_services_words(site):
    node = site.act(site.node(), "inspect")
    site.service.refuse_next_start(why="Failed validation of power interface")
    site.soon(0)
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert node.last_error == (
        "Failed to inspect: Failed validation of power interface"
    )
    assert node.driver_internal_info == {}


def test_a_service_that_is_busy_with_an_aborted_inspection_is_waited_for(site):
    node = site.begun()
    site.service.boot(node.uuid)
    site.service.report(node.uuid)
    node = site.act(node, "abort")
    assert node.provision_state == "inspect failed"
    node = site.act(node, "inspect")
    site.soon(0)
    assert site.get(node).provision_state == "inspect wait"
    site.service.finish(node.uuid)
    site.soon(5)
    assert site.attempt(node).answered
    assert not site.service.records[node.uuid].finished


def test_a_service_that_stays_busy_is_not_waited_for_in_vain(site):
    """Such as one that was restarted while it started: only its time-out
    frees the node."""
    node = site.begun()
    node = site.act(node, "abort")
    node = site.act(node, "inspect")
    for _ in range(13):
        site.soon(5)
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert "Can not transition from state 'starting'" in node.last_error


def test_a_refusal_is_not_believed_while_its_record_can_not_be_had(site):
    node = site.act(site.node(), "inspect")
    site.service.refuse_next_start()

    def down(method, _uuid):
        if method == "start":
            site.service.fail_next("status", LOST)

    site.service.before = down
    site.soon(0)
    assert site.get(node).provision_state == "inspect wait"
    site.service.before = lambda *_: None
    site.poll()
    assert site.attempt(node).answered


def test_a_node_that_was_aborted_during_its_start_is_given_up_at_the_service(
    site,
):
    node = site.act(site.node(), "inspect")

    def aborted(_uuid):
        site.act(node, "abort")
        site.service.boot(node.uuid)

    site.service.begun = aborted
    site.soon(0)
    assert site.get(node).provision_state == "inspect failed"
    site.soon(5)
    record = site.service.records[node.uuid]
    assert (record.finished, record.error) == (True, "Canceled by operator")
    assert site.get(node).driver_internal_info == {}


def test_a_service_without_records_of_times_is_followed(site):
    site.service.has_times = False
    node = site.begun()
    site.finished(node)
    site.poll()
    node = site.act(node, "inspect")
    site.soon(0)
    site.poll()
    assert site.get(node).provision_state == "inspect wait"
    site.finished(node)
    site.poll()
    assert site.get(node).provision_state == "manageable"


def test_an_old_services_last_result_is_not_this_ones(site):
    site.service.has_times = False
    node = site.begun()
    site.finished(node)
    site.poll()
    node = site.act(node, "inspect")
    site.service.fail_next("start", Refusal("no power", 400))
    site.soon(0)
    assert site.get(node).provision_state == "inspect failed"
