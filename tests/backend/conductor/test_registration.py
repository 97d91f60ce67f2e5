# SPDX-License-Identifier: Apache-2.0
"""How a conductor takes, keeps and gives back its place."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from baremetal_backend.conductor.registration import (
    Registration,
    Surroundings,
)
from baremetal_backend.conductor.this_process import start_of, this_process
from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.errors import ConductorDemoted, StorageUnavailable
from baremetal_backend.core.processes import ProcessIdentity
from tests.backend.conductor.conftest import NOW

HERE = ProcessIdentity("boot", "1", 100, 1)
NEIGHBOUR = ProcessIdentity("boot", "1", 200, 2)
ELSEWHERE = ProcessIdentity("other-boot", "1", 300, 3)


class Place:
    """One database, and processes that want a row of it."""

    def __init__(self, world) -> None:
        self.world = world
        self.now = 1000.0
        self.running = {100: 1, 200: 2}

    def process(self, identity=HERE, host="me", transport="oslo", **changes):
        settings = dataclasses.replace(
            self.world.settings, host=host, rpc_transport=transport
        )
        values = {
            "settings": settings,
            "storage": self.world.storage,
            "registry": self.world.registry,
            "process": identity,
            "start_of": self.running.get,
            "clock": lambda: NOW,
            "monotonic": lambda: self.now,
        }
        return Registration(Surroundings(**values | changes))

    def rows(self):
        return self.world.storage.conductors.all()

    def pass_time(self, each_time=lambda: None):
        """A wait that lets the played clock go on."""

        def wait(seconds):
            self.now += seconds
            each_time()
            return False

        return wait


@pytest.fixture
def place(world):
    return Place(world)


def watching(registration, place, each_time=lambda: None):
    registration._stop.wait = place.pass_time(each_time)
    return registration


def test_a_registered_conductor_tells_what_it_serves(place):
    place.process().register()
    (row,) = place.rows()
    assert (row.host, row.state, row.beat) == ("me", "active", 0)
    told = row.hardware_types["fake-hardware"]
    assert told["interfaces"]["power"] == ("fake",) or told["interfaces"][
        "power"
    ] == ["fake"]
    assert "fake_deploy_delay" in told["properties"]


def test_a_living_neighbour_of_the_same_name_is_refused_at_once(place):
    place.process(NEIGHBOUR).register()
    with pytest.raises(ConfigurationError, match=r"\[DEFAULT\]host: me"):
        place.process().register()
    assert place.now == 1000.0


def test_the_case_of_a_name_makes_no_second_conductor(place):
    place.process(NEIGHBOUR, host="ME").register()
    with pytest.raises(ConfigurationError, match="alive"):
        place.process().register()


def test_a_dead_neighbour_is_replaced_at_once(place):
    place.process(NEIGHBOUR).register()
    del place.running[200]
    second = place.process()
    second.register()
    (row,) = place.rows()
    assert row.incarnation == second.holder().incarnation
    assert place.now == 1000.0


def test_one_that_was_declared_gone_is_replaced_at_once(place):
    place.process(ELSEWHERE).register()
    place.world.storage.conductors.declare_gone(place.rows()[0])
    place.process().register()
    assert (len(place.rows()), place.now) == (1, 1000.0)


def test_a_stranger_is_watched_longer_than_its_interval_then_replaced(place):
    place.process(ELSEWHERE).register()
    second = watching(place.process(), place)
    second.register()
    assert place.now - 1000.0 > 10.0
    (row,) = place.rows()
    assert row.incarnation == second.holder().incarnation


def test_a_stranger_that_beats_is_refused(place):
    first = place.process(ELSEWHERE)
    first.register()
    second = watching(place.process(), place, first.beat)
    with pytest.raises(ConfigurationError, match="alive"):
        second.register()
    (row,) = place.rows()
    assert row.incarnation == first.holder().incarnation


def test_the_only_process_of_a_file_replaces_whatever_is_there(place):
    place.process(ELSEWHERE).register()
    place.process(ELSEWHERE, host="former").register()
    place.process(transport="none", alone=True).register()
    states = {row.host: row.state for row in place.rows()}
    assert states == {"former": "gone", "me": "active"}
    assert place.now == 1000.0


def test_without_messages_a_second_conductor_is_refused(place):
    place.process(NEIGHBOUR, host="other").register()
    with pytest.raises(ConfigurationError, match="rpc_transport"):
        place.process(transport="none").register()


def test_with_messages_there_may_be_many(place):
    place.process(NEIGHBOUR, host="other").register()
    place.process().register()
    assert [row.host for row in place.rows()] == ["me", "other"]


def test_it_gives_up_its_activity_before_others_may_act(place):
    mine = place.process()
    assert not mine.active
    mine.register()
    timeout = place.world.settings.conductor.heartbeat_timeout
    place.now += timeout / 2 - 0.1
    mine.check_active()
    place.now += 0.2
    assert not mine.active
    with pytest.raises(ConductorDemoted):
        mine.check_active()
    mine.beat()
    mine.check_active()


def test_the_time_counts_from_the_beginning_of_a_renewal(place, monkeypatch):
    mine = place.process()
    mine.register()
    conductors = place.world.storage.conductors
    renew = conductors.renew

    def slow(*args):
        place.now += 29.0
        return renew(*args)

    monkeypatch.setattr(conductors, "renew", slow)
    mine.beat()
    assert mine.active
    place.now += 1.5
    assert not mine.active


def test_a_database_that_does_not_answer_ends_nothing_but_activity(
    place, monkeypatch
):
    mine = place.process()
    mine.register()
    conductors = place.world.storage.conductors

    def fail(*_args):
        raise StorageUnavailable("away")

    with monkeypatch.context() as outage:
        outage.setattr(conductors, "renew", fail)
        place.now += 40.0
        with pytest.raises(StorageUnavailable):
            mine.beat()
        assert not mine.active
    before = mine.holder()
    mine.beat()
    assert (mine.active, mine.holder()) == (True, before)


def test_who_was_declared_gone_comes_back_as_somebody_else(place):
    mine = place.process()
    mine.register()
    before = mine.holder()
    lost = []
    mine.on_lost = lambda: lost.append(mine.holder())
    place.world.storage.conductors.declare_gone(place.rows()[0])
    mine.beat()
    assert mine.holder() != before
    assert lost == [mine.holder()]
    (row,) = place.rows()
    assert (row.state, row.incarnation) == (
        "active",
        mine.holder().incarnation,
    )


def test_who_was_replaced_by_another_process_leaves_it_alone(place):
    mine = place.process()
    mine.register()
    place.world.storage.conductors.declare_gone(place.rows()[0])
    other = place.process(NEIGHBOUR)
    other.register()
    ended = []
    mine.on_replaced = lambda: ended.append(True)
    mine.beat()
    mine.beat()
    assert ended == [True]
    assert not mine.active
    (row,) = place.rows()
    assert row.incarnation == other.holder().incarnation


def test_a_beat_keeps_what_shows_no_life_from_being_prolonged(place, world):
    mine = place.process()
    mine.register()
    lively = world.take(world.node(), mine.holder())
    stuck = world.take(world.node(), mine.holder())
    mine.silent_nodes = lambda: (stuck.uuid,)
    before = world.storage.leases.of_node(stuck.uuid)
    mine.beat()
    assert world.storage.leases.of_node(stuck.uuid) == before
    expires = world.storage.leases.of_node(lively.uuid).expires_at
    assert expires == "2027-01-15T08:01:00+00:00"


def test_draining_is_seen_and_leaving_removes_the_row(place):
    mine = place.process()
    mine.register()
    mine.drain()
    mine.beat()
    assert [row.state for row in place.rows()] == ["draining"]
    mine.leave()
    assert place.rows() == []
    mine.beat()
    assert (place.rows(), mine.active) == ([], False)


def test_a_wish_to_drain_is_told_as_soon_as_the_database_answers(
    place, world, monkeypatch
):
    mine = place.process()
    mine.register()

    def silent(holder):
        raise StorageUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.storage.conductors, "drain", silent)
        mine.drain()
    assert [row.state for row in place.rows()] == ["active"]
    mine.beat()
    assert [row.state for row in place.rows()] == ["draining"]


def test_who_was_declared_gone_while_it_drained_comes_back_draining(
    place, world
):
    mine = place.process()
    mine.register()
    mine.drain()
    assert world.storage.conductors.declare_gone(place.rows()[0])
    mine.beat()
    assert [row.state for row in place.rows()] == ["draining"]


def test_the_thread_renews_until_it_is_stopped(place, world):
    world.set_conductor(heartbeat_interval=0.01)
    mine = place.process()
    mine.register()
    beats = threading.Semaphore(0)
    mine.after_beat = beats.release
    thread = threading.Thread(target=mine.run)
    thread.start()
    for _ in range(3):
        assert beats.acquire(timeout=10)
    mine.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert place.rows()[0].beat >= 3


def test_a_failing_watchdog_does_not_stop_the_beat(place, world):
    world.set_conductor(heartbeat_interval=0.01)
    mine = place.process()
    mine.register()
    calls = threading.Semaphore(0)

    def broken():
        calls.release()
        raise RuntimeError("watchdog")

    mine.after_beat = broken
    thread = threading.Thread(target=mine.run)
    thread.start()
    for _ in range(3):
        assert calls.acquire(timeout=10)
    mine.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_the_kernel_knows_this_process():
    me = this_process()
    assert start_of(me.pid) == me.started > 0
    assert ProcessIdentity.read(str(me)) == me
    assert len(str(me)) < 255
    assert start_of(2**22 + 1) is None
