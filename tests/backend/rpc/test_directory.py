# SPDX-License-Identifier: Apache-2.0
"""What a process knows of the conductors, look by look."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core.conductors import Health
from baremetal_backend.core.records import ConductorRecord, Holder
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.storage.conductors import Beat

NOW = 1_800_000_000.0
NODE = "00000000-0000-4000-8000-000000000001"


class Table:
    """The rows, and how often they were read whole."""

    def __init__(self) -> None:
        self.rows = {}
        self.whole = 0

    def add(self, host, age=0.0, **values):
        found = {
            "host": host,
            "incarnation": f"first-{host}",
            "hardware_types": {
                "fake": {"interfaces": {"power": ["a"]}, "properties": {}}
            },
            "registered_at": timestamp(NOW - age),
            "renewed_at": timestamp(NOW - age),
        }
        self.rows[host] = ConductorRecord(**found | values)

    def change(self, host, **values):
        self.rows[host] = dataclasses.replace(self.rows[host], **values)

    def all(self):
        self.whole += 1
        return list(self.rows.values())

    def beats(self):
        return [
            Beat(r.host, r.incarnation, r.state, r.beat, r.renewed_at)
            for r in self.rows.values()
        ]


class Watch:
    """A directory whose time is played."""

    def __init__(self, **options) -> None:
        self.table = Table()
        self.now = 0.0
        self.directory = Directory(
            self.table,
            60.0,
            clock=lambda: NOW,
            monotonic=lambda: self.now,
            **options,
        )
        self.changes = 0
        self.directory.on_change = self.count

    def count(self):
        self.changes += 1

    def look(self, seconds=0):
        for _ in range(seconds):
            self.now += 1.0
            self.directory.refresh()
        return self.directory.refresh()

    def healths(self):
        return {
            m.record.host: m.health
            for m in self.directory.view.membership.members
        }


@pytest.fixture
def watch():
    return Watch()


def test_rows_are_read_whole_only_when_somebody_registered(watch):
    watch.table.add("a")
    watch.look()
    assert watch.table.whole == 1
    for beat in range(20):
        watch.table.change("a", beat=beat)
        watch.look(1)
    assert watch.table.whole == 1
    watch.table.change("a", incarnation="second")
    watch.look()
    assert watch.table.whole == 2


def test_nothing_is_rebuilt_while_nothing_changes(watch):
    watch.table.add("a")
    first = watch.look()
    watch.table.change("a", beat=1)
    assert watch.look(5).routing is first.routing
    assert watch.changes == 1


def test_a_conductor_that_drains_gets_nothing_more_and_is_shown(watch):
    watch.table.add("a")
    watch.look()
    watch.table.change("a", state="draining")
    watch.look()
    assert watch.directory.owner(NODE, "fake", "") is None
    assert [c.alive for c in watch.directory.conductors()] == [True]
    assert watch.directory.serves("a")


def test_a_conductor_that_falls_silent_is_no_longer_asked(watch):
    watch.table.add("a")
    watch.look(61)
    assert watch.healths() == {"a": Health.SILENT}
    assert watch.directory.owner(NODE, "fake", "") is None
    assert [c.alive for c in watch.directory.conductors()] == [False]
    assert watch.directory.hardware_types() == ()
    assert not watch.directory.serves("a")


def test_a_first_look_gives_no_work_to_what_has_been_silent_for_long(watch):
    watch.table.add("a", age=3600)
    watch.table.add("b")
    watch.look()
    assert watch.healths() == {"a": Health.UNPROVEN, "b": Health.LIVE}
    assert watch.directory.owner(NODE, "fake", "") == "b"
    watch.table.change("a", beat=1)
    watch.look()
    assert watch.healths() == {"a": Health.LIVE, "b": Health.LIVE}


def test_hardware_types_are_what_the_living_serve(watch):
    watch.table.add("a")
    more = {
        "fake": {
            "interfaces": {"power": ["b", "a"]},
            "properties": {"k": "v"},
        },
        "more": {"interfaces": {}, "properties": {}},
    }
    watch.table.add("b", hardware_types=more)
    watch.look()
    fake, second = watch.directory.hardware_types()
    assert (fake.name, fake.hosts) == ("fake", ("a", "b"))
    assert fake.interfaces["power"].enabled == ("a", "b")
    assert fake.interfaces["power"].default == "a"
    assert fake.properties == {"k": "v"}
    assert (second.name, second.hosts) == ("more", ("b",))


def test_a_conductor_knows_its_own_nodes():
    watch = Watch(own=lambda: Holder("a", "first-a"))
    watch.table.add("a")
    watch.table.add("b", conductor_group="rack1")
    watch.look()
    assert watch.directory.is_mine(NODE, "fake", "")
    assert not watch.directory.is_mine(NODE, "fake", "rack1")


def test_a_process_that_is_alone_serves_all_groups_until_it_ends():
    watch = Watch(own=lambda: Holder("a", "first-a"), solitary=True)
    watch.table.add("a")
    watch.look()
    assert watch.directory.owner(NODE, "fake", "rack9") == "a"
    watch.table.change("a", state="draining")
    watch.look()
    assert watch.directory.owner(NODE, "fake", "rack9") == "a"


def test_an_outage_of_the_database_ends_nobody(watch):
    watch.table.add("a")
    watch.look(3)
    watch.now += 600
    watch.look()
    assert watch.healths() == {"a": Health.LIVE}
    watch.look(58)
    assert watch.healths() == {"a": Health.SILENT}
