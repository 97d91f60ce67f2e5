# SPDX-License-Identifier: Apache-2.0
"""Announcements: with their change or not at all, in order, by one owner."""

from __future__ import annotations

import threading
import uuid

import pytest
import sqlalchemy as sa

from baremetal_backend.core.notices import Severity
from baremetal_backend.core.records import HistoryEvent
from baremetal_backend.storage import Database, DatabaseOptions, Storage
from baremetal_backend.storage.outbox import Announcing
from baremetal_backend.storage.tables import CONDUCTORS, OUTBOX
from tests.backend.storage.conftest import NOW, make, uuid_of

START = {"provision_state": "deploying", "target_provision_state": "active"}
END = {"provision_state": "active", "target_provision_state": None}


@pytest.fixture
def member(url):
    """Makes the storage of a conductor of this name."""
    made = []

    def make_one(host, least=Severity.INFO):
        options = DatabaseOptions(url, sqlite_synchronous=False)
        database = Database(options)
        made.append(Storage(database, lambda: NOW, Announcing(host, least)))
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def save(storage, node, changes, severity="INFO"):
    result = storage.nodes.change(
        node.uuid,
        changes,
        seen_version=node.version,
        event=HistoryEvent(
            uuid=str(uuid.uuid4()),
            node_uuid=node.uuid,
            severity=severity,
            event_type="provisioning",
            event="happened",
        ),
    )
    return result.record


def told(rows):
    return [
        (row.node_uuid[-1], row.event_type.removeprefix("baremetal.node."))
        for row in rows
    ]


def register(storage, host, state):
    storage.database.write(
        lambda c: c.execute(
            sa.insert(CONDUCTORS),
            {
                "host": host,
                "incarnation": "i",
                "conductor_group": "",
                "hardware_types": "{}",
                "state": state,
                "beat": 0,
                "process": "",
                "registered_at": "",
                "renewed_at": "",
            },
        )
    )


def test_changes_are_announced_in_their_order(member):
    one = member("one")
    node = make(one, 1, provision_state="available")
    node = save(one, node, START)
    node = save(one, node, END)
    one.nodes.delete(node.uuid, node.version)
    rows = one.outbox.pending()
    assert told(rows) == [
        ("1", "create.end"),
        ("1", "provision_set.start"),
        ("1", "provision_set.end"),
        ("1", "delete.end"),
    ]
    data = rows[1].payload["ironic_object.data"]
    assert data["previous_provision_state"] == "available"
    assert one.outbox.waiting() == (4, "2027-01-15T08:00:00+00:00")
    assert all(one.outbox.remove(row) for row in rows)
    assert one.outbox.pending() == []
    assert one.outbox.waiting() == (0, None)


def test_without_the_option_nothing_is_written(storage):
    node = make(storage, 1, provision_state="available")
    save(storage, node, START)
    count = sa.select(sa.func.count()).select_from(OUTBOX)
    assert storage.database.read(lambda c: c.scalar(count)) == 0
    assert storage.outbox.pending() == []
    assert storage.outbox.adopt() == 0


def test_what_is_rolled_back_or_lost_is_not_announced(member):
    one = member("one")
    node = make(one, 1, provision_state="available")
    make(one, 2, name="taken", provision_state="available")
    (first, second) = one.outbox.pending()
    with pytest.raises(Exception, match="taken"):
        save(one, node, START | {"name": "taken"})
    lost = one.nodes.change(node.uuid, START, seen_version=99)
    assert lost.current == node
    assert [row.id for row in one.outbox.pending()] == [first.id, second.id]


def test_only_what_is_severe_enough_is_announced(member):
    one = member("one", Severity.ERROR)
    node = make(one, 1, provision_state="available")
    node = save(one, node, START)
    save(one, node, {"provision_state": "deploy failed"}, "ERROR")
    (row,) = one.outbox.pending()
    assert (row.event_type, row.severity) == (
        "baremetal.node.provision_set.error",
        "ERROR",
    )


def test_nobody_publishes_what_is_still_behind_anothers(member):
    one, two = member("one"), member("two")
    register(one, "one", "active")
    node = make(one, 1, provision_state="available")
    save(two, node, START)
    make(two, 2)
    assert told(two.outbox.pending()) == [("2", "create.end")]
    (first,) = one.outbox.pending()
    one.outbox.remove(first)
    assert told(two.outbox.pending()) == [
        ("1", "provision_set.start"),
        ("2", "create.end"),
    ]


@pytest.mark.parametrize("state", ["active", "draining", "gone", None])
def test_rows_of_conductors_that_are_gone_are_adopted(member, state):
    one, two, three = member("one"), member("two"), member("three")
    if state is not None:
        register(one, "one", state)
    register(one, "two", "active")
    register(one, "three", "active")
    node = make(one, 1, provision_state="available")
    save(two, node, START)
    gone = state in ("gone", None)
    assert three.outbox.adopt() == (1 if gone else 0)
    assert two.outbox.adopt() == 0
    expected = [("1", "create.end")]
    assert told(three.outbox.pending()) == (expected if gone else [])
    # What it had read before it was declared gone is not its any more.
    assert told(one.outbox.pending()) == ([] if gone else expected)


def test_a_row_is_removed_by_its_owner_only(member):
    one, two = member("one"), member("two")
    make(one, 1)
    (row,) = one.outbox.pending()
    assert two.outbox.adopt() == 1
    assert one.outbox.remove(row) is False
    assert two.outbox.remove(row) is True


def test_of_several_that_adopt_at_once_one_gets_each_row(member):
    make(member("dead"), 1)
    heirs = [member(f"heir {n}") for n in range(4)]
    for number, heir in enumerate(heirs):
        register(heir, f"heir {number}", "active")
    gate = threading.Barrier(4, timeout=20)
    adopted = []

    def adopt(heir):
        gate.wait()
        adopted.append(heir.outbox.adopt())

    threads = [threading.Thread(target=adopt, args=(h,)) for h in heirs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(adopted) == [0, 0, 0, 1]
    assert sum(len(heir.outbox.pending()) for heir in heirs) == 1


def test_writers_of_one_node_are_announced_in_the_order_of_their_writes(
    member,
):
    one = member("one")
    node = make(one, 1)
    storages = [member("one") for _ in range(3)]

    def write(storage, number):
        for turn in range(5):
            while True:
                current = storage.nodes.get(node.uuid)
                result = storage.nodes.change(
                    node.uuid,
                    {"extra": {"who": number, "turn": turn}},
                    seen_version=current.version,
                )
                if type(result).__name__ == "Changed":
                    break

    threads = [
        threading.Thread(target=write, args=(s, n))
        for n, s in enumerate(storages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    rows = one.outbox.pending()[1:]
    assert len(rows) == 15
    shown = [row.payload["ironic_object.data"]["extra"] for row in rows]
    assert shown[-1] == one.nodes.get(node.uuid).extra
    for number in range(3):
        turns = [e["turn"] for e in shown if e["who"] == number]
        assert turns == list(range(5))
    assert uuid_of(1) == node.uuid
