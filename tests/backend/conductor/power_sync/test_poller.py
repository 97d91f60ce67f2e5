# SPDX-License-Identifier: Apache-2.0
"""Who is asked, when, how many at a time, and what is let go of."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.power import SILENT

ON, OFF = "power on", "power off"


def test_at_the_start_nobody_is_asked_in_a_burst(following):
    nodes = [following.node(OFF) for _ in range(30)]
    chances = iter(n / 30 for n in range(1000))
    following.poller._looking._chance = lambda: next(chances)
    following.step()
    assert len(following.power.asked) <= 1
    following.passes(30)
    assert 13 <= len(following.power.asked) <= 17
    following.passes(31)
    assert set(following.power.asked) == {node.uuid for node in nodes}


def test_each_node_is_asked_once_in_an_interval(following):
    node = following.node(OFF)
    following.step()
    following.passes(600)
    assert following.power.asked.count(node.uuid) == 10


def test_a_new_node_is_asked_soon(following):
    following.step()
    node = following.node(OFF, state="manageable", power_state=None)
    following.passes(8)
    assert following.get(node).power_state == OFF


def test_a_node_that_comes_to_rest_is_asked_soon(following):
    node = following.node(ON, state="deploying", power_state=OFF)
    following.step()
    following.passes(120)
    assert following.power.asked == []
    following.world.storage.nodes.change(
        node.uuid,
        {"provision_state": "active", "power_state": ON},
        seen_version=node.version,
    )
    following.passes(7)
    assert following.power.asked == [node.uuid]


def test_a_user_who_switches_is_an_observation_and_pulls_it_forward(
    following,
):
    node = following.node(OFF, power_state=OFF)
    following.step()
    asked = len(following.power.asked)
    conductor = type(following.world.conductor)(following.world.context)
    conductor.change_node_power_state(node.uuid, "power on")
    following.settle()
    seen = following.roster.find(node.uuid).observation
    assert (seen.state, seen.source) == (ON, "command")
    following.passes(3)
    assert len(following.power.asked) == asked + 1
    seen = following.roster.find(node.uuid).observation
    assert (seen.state, seen.source) == (ON, "poll")


def test_a_node_that_is_switched_before_it_was_seen_is_known(following):
    following.step()
    node = following.node(OFF, power_state=OFF)
    conductor = type(following.world.conductor)(following.world.context)
    conductor.change_node_power_state(node.uuid, "power on")
    following.settle()
    seen = following.roster.find(node.uuid).observation
    assert (seen.state, seen.source) == (ON, "command")


def test_an_older_poll_does_not_hide_what_a_command_saw(following):
    node = following.node(OFF, power_state=OFF)
    following.power.holding = True
    following.poll()
    following.time += 1
    switched = following.world.storage.nodes.change(
        node.uuid, {"power_state": ON}, seen_version=node.version
    ).record
    following.roster.switched(switched)
    following.power.answer()
    following.step()
    seen = following.roster.find(node.uuid).observation
    assert (seen.state, seen.source) == (ON, "command")


def test_a_dead_controller_costs_one_slot_and_backs_off(following):
    following.options(power_polls_in_flight=2)
    dead = following.node(SILENT)
    live = [following.node(OFF) for _ in range(10)]
    following.step()
    following.passes(1200)
    # 20 intervals: the dead one is asked ever less often.
    assert following.power.asked.count(dead.uuid) <= 8
    for node in live:
        assert following.power.asked.count(node.uuid) == 20


def test_a_dead_controller_is_known_as_such_within_seconds(following):
    node = following.node(SILENT)
    following.poll()
    assert following.roster.find(node.uuid).turn.failures == 1
    following.passes(1.5)
    assert following.roster.find(node.uuid).turn.confirmed


def test_no_more_questions_are_under_way_than_allowed(following):
    following.options(power_polls_in_flight=3)
    for _ in range(10):
        following.node(OFF)
    following.power.holding = True
    following.poll()
    following.passes(2)
    assert len(following.power.pending) == 3
    assert following.roster.in_flight == 3
    following.power.answer()
    following.passes(0.5)
    assert len(following.power.asked) == 6


def test_no_more_questions_are_asked_in_a_second_than_allowed(following):
    following.options(power_polls_per_second=4.0)
    for _ in range(40):
        following.node(OFF)
    following.poll()
    first = len(following.power.asked)
    assert first <= 4
    following.passes(5, 0.05)
    assert 18 <= len(following.power.asked) - first <= 21


def test_an_interval_of_nothing_switches_it_off_and_on_again(following):
    following.options(sync_power_state_interval=0)
    node = following.node(OFF)
    following.step()
    following.passes(300)
    assert following.power.asked == []
    following.options(sync_power_state_interval=30)
    following.passes(10)
    assert following.power.asked == [node.uuid]
    following.options(sync_power_state_interval=-1)
    following.passes(120)
    assert following.power.asked == [node.uuid]


def test_a_shorter_interval_holds_at_once(following):
    following.options(sync_power_state_interval=3600)
    node = following.node(OFF)
    following.poll()
    following.options(sync_power_state_interval=60)
    following.passes(60)
    assert following.power.asked == [node.uuid] * 2


def test_a_node_of_another_conductor_is_not_asked(following):
    mine, other = following.node(OFF), following.node(OFF)
    following.owned = lambda uuid, driver, group: uuid == mine.uuid
    following.poll()
    assert following.power.asked == [mine.uuid]
    following.owned = lambda uuid, driver, group: uuid == other.uuid
    following.passes(10)
    # Let go of the one, and look at the other.
    assert following.power.forgotten == [(mine.uuid, {})]
    assert following.power.asked == [mine.uuid, other.uuid]


def test_all_interfaces_of_a_node_that_went_let_go_of_it(
    following, monkeypatch
):
    let_go = []
    kinds = following.world.registry.types["fake-hardware"].interfaces
    for kind in ("management", "console", "vendor"):
        interface = next(iter(kinds[kind].values()))
        monkeypatch.setattr(
            interface, "forget", lambda node, kind=kind: let_go.append(kind)
        )
    node = following.node(OFF)
    following.poll()
    following.world.storage.nodes.delete(node.uuid, node.version)
    following.passes(10)
    assert sorted(let_go) == ["console", "management", "vendor"]
    assert following.power.forgotten == [(node.uuid, {})]


def test_what_leads_to_a_controller_is_let_go_of_when_it_changes(following):
    node = following.node(OFF, driver_info={"ipmi_address": "10.0.0.1"})
    following.poll()
    changed = following.world.storage.nodes.change(
        node.uuid,
        {"driver_info": {"ipmi_address": "10.0.0.2"}},
        seen_version=node.version,
    ).record
    following.poll()
    assert following.power.forgotten == [
        (node.uuid, {"ipmi_address": "10.0.0.1"})
    ]
    assert following.power.asked_with[-1] == {"ipmi_address": "10.0.0.2"}
    following.world.storage.nodes.change(
        node.uuid, {"description": "x"}, seen_version=changed.version
    )
    following.poll()
    assert len(following.power.forgotten) == 1


def test_who_corrects_a_password_does_not_wait_for_the_backoff(following):
    node = following.node(SILENT, driver_info={"ipmi_password": "wrong"})
    following.poll()
    following.passes(250)
    asked = len(following.power.asked)
    seen = following.get(node)
    following.world.storage.nodes.change(
        node.uuid,
        {"driver_info": {"ipmi_password": "right"}},
        seen_version=seen.version,
    )
    following.power.hardware[node.uuid] = OFF
    following.passes(8)
    assert len(following.power.asked) > asked
    assert following.roster.find(node.uuid).turn.failures == 0


def test_megabytes_of_an_instance_are_not_kept(following):
    node = following.node(OFF, instance_info={"configdrive": "x" * 100000})
    following.poll()
    assert following.roster.find(node.uuid).node.instance_info == {}


def test_a_question_that_nobody_ever_answers_is_given_up(following):
    node = following.node(OFF)
    following.power.holding = True
    following.poll()
    following.passes(320, 5)
    assert following.roster.counts.errors["driver_fault"] >= 1
    assert following.roster.find(node.uuid).trouble is not None


def test_interfaces_that_block_have_a_few_threads_and_hold_up_nobody(
    following,
):
    following.options(sync_power_state_workers=2)
    following.start()
    for _ in range(6):
        following.node(OFF, power_interface="blocking", power_state=ON)
    quick = following.node(OFF)
    following.poll()
    deadline = time.monotonic() + 20
    while following.blocking.inside < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    following.passes(3)
    assert quick.uuid in following.power.asked
    assert following.roster.in_flight == 2
    following.blocking.let_go.set()
    while following.roster.counts.compared < 7:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        following.passes(0.5)
    assert following.blocking.most == 2


def test_an_interface_that_raises_in_forget_does_no_harm(
    following, monkeypatch
):
    first, second = following.node(OFF), following.node(OFF)
    following.poll()

    def broken(node):
        raise RuntimeError("a bug")

    monkeypatch.setattr(following.power, "forget", broken)
    following.owned = lambda *_: False
    following.passes(6)
    assert following.roster.all() == []
    assert first != second


def test_the_thread_asks_by_itself_and_ends_when_told(following):
    # The real clock, for once.
    following.roster.monotonic = time.monotonic
    following.time = time.monotonic()
    node = following.node(ON, power_state=None)
    thread = threading.Thread(
        target=following.poller.run, name="baremetal-power", daemon=True
    )
    thread.start()
    try:
        following.roster.poll_now()
        deadline = time.monotonic() + 20
        while following.get(node).power_state != ON:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        following.poller.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_a_fault_of_the_poller_itself_is_survived(following, monkeypatch):
    following.roster.monotonic = time.monotonic
    steps = []

    def step():
        steps.append(1)
        if len(steps) == 1:
            raise RuntimeError("a bug")
        following.poller.stop()
        return 0.0

    monkeypatch.setattr(following.poller, "step", step)
    thread = threading.Thread(target=following.poller.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while thread.is_alive():
        assert time.monotonic() < deadline
        following.roster.wake()
        thread.join(0.01)
    assert len(steps) >= 2


@pytest.mark.parametrize("uuids", [None, ("no-such-node",)])
def test_to_want_to_know_nothing_is_harmless(following, uuids):
    following.roster.poll_now(uuids)
    assert following.step() > 0
