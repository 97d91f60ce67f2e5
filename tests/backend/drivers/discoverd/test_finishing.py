# SPDX-License-Identifier: Apache-2.0
"""How inspections end: what is kept, put back, and dropped."""

from __future__ import annotations

import logging

import pytest

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.drivers.discoverd.errors import NoAnswer
from tests.backend.drivers.discoverd.site import (
    FOUND,
    NEW_CAPABILITIES,
    Site,
)

HAD = {
    "cpus": 4,
    "cpu_arch": "aarch64",
    "memory_mb": "2048",
    "capabilities": "boot_mode:bios",
    "rack": "7",
}
WHOLE = {
    **HAD,
    "local_gb": "479",
    "capabilities": f"boot_mode:bios,{NEW_CAPABILITIES}",
}
THEIRS = {
    **{k: str(FOUND[k]) for k in ("cpus", "cpu_arch", "memory_mb")},
    "local_gb": "479",
    "rack": "7",
    "capabilities": f"boot_mode:bios,{NEW_CAPABILITIES}",
}
NOT_NOW = NoAnswer("504", "error", may_have_begun=False)


def test_a_good_end_makes_the_node_manageable_and_leaves_nothing(site):
    node = site.begun()
    site.finished(node)
    site.poll()
    node = site.get(node)
    assert (node.provision_state, node.last_error) == ("manageable", None)
    assert node.driver_internal_info == {}
    assert node.inspection_finished_at is not None
    assert node.properties == {
        **{name: THEIRS[name] for name in THEIRS if name != "rack"},
        "capabilities": NEW_CAPABILITIES,
    }


def test_what_was_collected_is_kept(site):
    node = site.begun()
    site.finished(node)
    site.poll()
    inventory, rest = site.inventory(node)
    assert inventory == FOUND["inventory"]
    assert rest["interfaces"] == FOUND["interfaces"]


def test_the_end_is_said_once(site, caplog):
    node = site.begun()
    site.finished(node)
    with caplog.at_level(logging.INFO):
        site.poll()
    said = [one for one in caplog.messages if "has finished it" in one]
    assert said == [
        f"Node {node.uuid}: the inspection service has finished it."
    ]


def test_existing_properties_are_put_back(site, caplog):
    node = site.begun(properties=HAD)
    site.finished(node)
    with caplog.at_level(logging.INFO):
        site.poll()
    node = site.get(node)
    assert node.provision_state == "manageable"
    assert node.properties == WHOLE
    assert "keeps its cpus, cpu_arch, memory_mb" in caplog.text


def test_existing_properties_are_put_back_without_the_services_data(site):
    site.service.keeps_data = False
    node = site.begun(properties=HAD)
    site.finished(node)
    site.poll()
    assert site.get(node).properties == WHOLE


def test_the_operator_can_have_them_overwritten(site):
    site.configure(enabled=True, overwrite_existing=True)
    site.restart()
    node = site.begun(properties=HAD)
    site.finished(node)
    site.poll()
    assert site.get(node).properties == THEIRS


def test_existing_properties_are_put_back_when_it_fails_at_last(site):
    """The service writes first, and switches off afterwards."""
    node = site.begun(properties=HAD)
    site.finished(node)
    site.service.finish(node.uuid, "Failed to power off node")
    site.poll()
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert node.properties == WHOLE


def test_existing_properties_are_put_back_when_it_ends_after_the_limit(site):
    node = site.begun(properties=HAD)
    site.manager.fail(node.uuid, "too late", seen=site.get(node))
    site.finished(node)
    site.poll()
    node = site.get(node)
    assert node.properties == WHOLE
    assert (node.provision_state, node.driver_internal_info) == (
        "inspect failed",
        {},
    )


def test_what_an_attempt_had_no_time_to_put_back_the_next_one_does(site):
    node = site.begun(properties=HAD)
    site.manager.fail(node.uuid, "too late", seen=site.get(node))
    site.finished(node)
    node = site.act(node, "inspect")
    site.soon(0)
    site.finished(node)
    site.poll()
    node = site.get(node)
    assert node.provision_state == "manageable"
    assert node.properties == WHOLE


def test_what_it_had_is_put_back_before_the_next_attempt_begins(site):
    """Its record is replaced then, and the next attempt may fail."""
    node = site.begun(properties=HAD)
    site.manager.fail(node.uuid, "too late", seen=site.get(node))
    site.finished(node)
    node = site.act(node, "inspect")
    site.soon(0)
    node = site.get(node)
    assert node.provision_state == "inspect wait"
    assert node.properties == WHOLE


def test_what_an_operator_wrote_while_nobody_inspected_stays(site):
    node = site.begun(properties=HAD)
    site.service.boot(node.uuid)
    site.service.go_down()
    site.manager.fail(node.uuid, "too late", seen=site.get(node))
    by_hand = {**HAD, "memory_mb": 8192}
    site.change(node, properties=by_hand)
    site.service.come_back()
    site.poll()
    assert site.attempt(node) is None
    assert site.get(node).properties == by_hand


def test_what_an_operator_wrote_during_the_inspection_stays(site):
    node = site.begun(properties=HAD)
    site.finished(node)
    now = {**site.get(node).properties, "memory_mb": 8192}
    site.change(node, properties=now)
    site.poll()
    assert site.get(node).properties == {**WHOLE, "memory_mb": 8192}


def test_properties_that_are_written_during_the_question_are_put_back(site):
    """Between the poll's look at the node and the service's end."""
    node = site.begun(properties=HAD)

    def ends(method, _uuid):
        if method == "status":
            site.service.before = lambda *_: None
            site.finished(node)

    site.service.lists = False
    site.service.before = ends
    site.poll()
    site.soon()
    node = site.get(node)
    assert (node.provision_state, node.properties) == ("manageable", WHOLE)


# -- what was collected can't be had ------------------------------------------


def test_data_that_can_not_be_had_now_are_asked_for_again(site):
    node = site.begun()
    site.finished(node)
    site.service.fail_next("data", NOT_NOW)
    site.poll()
    assert site.get(node).provision_state == "inspect wait"
    site.poll()
    assert site.get(node).provision_state == "manageable"
    assert site.inventory(node)[0] == FOUND["inventory"]


def test_data_that_can_never_be_had_do_not_hold_the_node_up(site, caplog):
    node = site.begun()
    site.finished(node)
    site.service.fail_next("data", NOT_NOW, times=9)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            site.poll()
    assert site.get(node).provision_state == "manageable"
    levels = [one.levelname for one in caplog.records]
    assert levels == ["ERROR", "WARNING"]
    assert "can't be followed: 504" in caplog.text
    assert "ends without what was collected: 504" in caplog.text


def test_an_inventory_that_is_too_large_does_not_hold_the_node_up(
    site, monkeypatch, caplog
):
    node = site.begun()
    site.finished(node)

    def too_large(*_args):
        raise InvalidParameterValue("more than 7.5 MB")

    monkeypatch.setattr(site.manager, "keep_inventory", too_large)
    with caplog.at_level(logging.WARNING):
        site.poll()
    assert "its inventory is not kept: more than 7.5 MB" in caplog.text
    assert site.get(node).provision_state == "manageable"


# -- abort --------------------------------------------------------------------


@pytest.fixture
def waiting(site: Site):
    node = site.begun(properties=HAD)
    site.service.boot(node.uuid)
    return node


def test_an_abort_is_told_to_the_service_first(site, waiting):
    node = site.act(waiting, "abort")
    record = site.service.records[node.uuid]
    assert record.error == "Canceled by operator"
    assert node.provision_state == "inspect failed"
    assert "aborted by request" in node.last_error
    site.soon()
    assert site.get(node).driver_internal_info == {}
    assert site.service.count("abort") == 1


def test_an_abort_while_the_service_is_away_fails_the_node_all_the_same(
    site, waiting
):
    site.service.go_down()
    node = site.act(waiting, "abort")
    assert node.provision_state == "inspect failed"
    assert "the service does not answer" in node.last_error
    site.soon()
    assert site.attempt(node) is not None
    site.service.come_back()
    site.poll(300)
    assert site.attempt(node) is None
    assert site.service.records[node.uuid].error == "Canceled by operator"


def test_an_abort_of_what_the_service_works_on_is_repeated(site, waiting):
    site.service.report(waiting.uuid)
    node = site.act(waiting, "abort")
    assert node.provision_state == "inspect failed"
    assert "Node is locked" in node.last_error
    site.found(node)
    site.service.finish(node.uuid, data=FOUND)
    site.soon()
    node = site.get(node)
    assert node.provision_state == "inspect failed"
    assert (node.driver_internal_info, node.properties) == ({}, WHOLE)


def test_an_abort_before_the_service_was_asked_asks_it_for_nothing(site):
    node = site.act(site.node(), "inspect")
    node = site.act(node, "abort")
    site.soon()
    assert site.asked() == []
    assert site.get(node).driver_internal_info == {}


def test_an_abort_and_another_inspection_end_with_the_second_ones_result(
    site, waiting
):
    node = site.act(waiting, "abort")
    node = site.act(node, "inspect")
    site.poll()
    site.soon()
    assert site.get(node).provision_state == "inspect wait"
    site.finished(node)
    site.poll()
    node = site.get(node)
    assert (node.provision_state, node.properties) == ("manageable", WHOLE)
