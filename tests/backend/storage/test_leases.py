# SPDX-License-Identifier: Apache-2.0
"""One holder at a time, on each database."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from baremetal_backend.core.errors import AlreadyExists, NodeNotFound
from baremetal_backend.core.records import HistoryEvent, Holder
from baremetal_backend.storage import Changed, Lost
from baremetal_backend.storage.tables import NODES
from tests.backend.storage.conftest import make, uuid_of

ONE = Holder("one", "1" * 36)
TWO = Holder("two", "2" * 36)
LATER = "2027-01-15T08:01:00+00:00"


def take(storage, node, holder=ONE, **values):
    return storage.leases.take(
        node.uuid,
        holder,
        "test",
        lane="provisioning",
        expires_at=LATER,
        **values,
    )


def event(number, node):
    return HistoryEvent(
        uuid=uuid_of(number),
        node_uuid=node.uuid,
        severity="INFO",
        event_type="provisioning",
        event=f"event {number}",
    )


def test_a_free_node_is_taken_with_all_that_is_known_of_the_holder(storage):
    node = make(storage, 1)
    taken = take(
        storage,
        node,
        changes={"provision_state": "deploying"},
        seen_version=node.version,
        event=event(101, node),
    )
    assert isinstance(taken, Changed)
    assert taken.record.reservation == "one"
    assert taken.record.lease_token == node.lease_token + 1
    assert taken.record.provision_state == "deploying"
    lease = storage.leases.of_node(node.uuid)
    assert lease.holder == "one"
    assert lease.incarnation == ONE.incarnation
    assert lease.purpose == "test"
    assert lease.lane == "provisioning"
    assert lease.acquired_at == "2027-01-15T08:00:00+00:00"
    assert lease.expires_at == LATER
    assert lease.token == taken.record.lease_token
    assert storage.leases.age(lease) == 0
    assert [e.event for e in storage.history.page(node.uuid)] == ["event 101"]


def test_a_node_that_somebody_has_is_not_taken(storage):
    node = make(storage, 1)
    first = take(storage, node).record
    second = take(storage, node, TWO, event=event(101, node))
    assert isinstance(second, Lost)
    assert second.current == first
    assert storage.leases.of_node(node.uuid).holder == "one"
    assert storage.history.page(node.uuid) == []


def test_a_node_that_was_written_in_between_is_not_taken(storage):
    node = make(storage, 1)
    storage.nodes.change(node.uuid, {"name": "a"}, seen_version=1)
    assert isinstance(take(storage, node, seen_version=1), Lost)
    assert storage.leases.of_node(node.uuid) is None
    assert isinstance(take(storage, node), Changed)


def test_who_has_the_token_writes_and_gives_back(storage):
    node = make(storage, 1)
    token = take(storage, node).record.lease_token
    written = storage.nodes.change(node.uuid, {"name": "a"}, token=token)
    assert isinstance(written, Changed)
    ended = storage.leases.give_back(
        node.uuid, token, {"name": "b"}, event=event(101, node)
    )
    assert isinstance(ended, Changed)
    assert ended.record.reservation is None
    assert ended.record.name == "b"
    assert ended.record.lease_token == token
    assert storage.leases.of_node(node.uuid) is None
    assert storage.leases.all() == []


def test_a_former_holder_writes_nothing_whoever_has_the_node_now(storage):
    node = make(storage, 1)
    old = take(storage, node).record.lease_token
    storage.leases.give_back(node.uuid, old)
    for _ in range(2):
        lost = storage.nodes.change(node.uuid, {"name": "late"}, token=old)
        assert isinstance(lost, Lost)
        ended = storage.leases.give_back(node.uuid, old, {"name": "late"})
        assert isinstance(ended, Lost)
        # Once while it is free, once while it is the same host's again.
        take(storage, node)
    assert storage.nodes.get(node.uuid).name is None
    assert storage.leases.of_node(node.uuid).token == old + 1


def test_a_node_made_anew_meets_no_token_of_its_predecessor(storage):
    node = make(storage, 1)
    taken = take(storage, node).record
    storage.nodes.delete(node.uuid, taken.version)
    assert storage.leases.all() == []
    later = storage.nodes._clock() + 1
    storage.nodes._clock = lambda: later
    again = make(storage, 1)
    assert again.lease_token > taken.lease_token
    lost = storage.nodes.change(
        node.uuid, {"name": "late"}, token=taken.lease_token
    )
    assert isinstance(lost, Lost)


def test_a_lease_whose_changes_are_impossible_is_not_taken(storage):
    make(storage, 2, name="taken")
    node = make(storage, 1)
    with pytest.raises(AlreadyExists, match="taken"):
        take(storage, node, changes={"name": "taken"})
    assert storage.nodes.get(node.uuid) == node
    assert storage.leases.all() == []


def test_a_node_that_vanished_is_said_to_be_missing(storage):
    node = make(storage, 1)
    token = take(storage, node).record.lease_token
    storage.nodes.delete(node.uuid, storage.nodes.get(node.uuid).version)
    with pytest.raises(NodeNotFound):
        take(storage, node)
    with pytest.raises(NodeNotFound):
        storage.leases.give_back(node.uuid, token)


def test_renewal_prolongs_the_leases_of_one_process_only(storage):
    nodes = [make(storage, n) for n in range(1, 5)]
    for node in nodes[:3]:
        take(storage, node)
    take(storage, nodes[3], TWO)
    newer = "2027-01-15T08:02:00+00:00"
    renewed = storage.leases.renew_all(
        ONE.incarnation, newer, except_nodes=[nodes[0].uuid]
    )
    assert renewed == 2
    shown = [lease.expires_at for lease in storage.leases.all()]
    assert shown == [LATER, newer, newer, LATER]
    assert len(storage.leases.of_incarnation(ONE.incarnation)) == 3
    assert storage.leases.renew_all("nobody", newer) == 0


def test_a_reservation_without_a_lease_can_be_ended_by_its_version(storage):
    node = make(storage, 1, reservation="one")
    with storage.database.writing() as connection:
        lost = storage.leases.end_in(
            connection, node.uuid, {}, seen_version=node.version + 1
        )
        assert isinstance(lost, Lost)
        ended = storage.leases.end_in(
            connection, node.uuid, {}, seen_version=node.version
        )
    assert isinstance(ended, Changed)
    assert storage.nodes.get(node.uuid).reservation is None


def test_a_reservation_that_was_cleared_by_hand_locks_nobody_out(storage):
    node = make(storage, 1)
    take(storage, node)
    with storage.database.writing() as connection:
        connection.execute(sa.update(NODES).values(reservation=None))
    assert storage.leases.of_node(node.uuid).holder == "one"
    taken = take(storage, node, TWO)
    assert isinstance(taken, Changed)
    assert storage.leases.of_node(node.uuid).holder == "two"


def test_a_purpose_of_any_length_fits(storage):
    node = make(storage, 1)
    storage.leases.take(
        node.uuid, ONE, "x" * 1000, lane="background", expires_at=LATER
    )
    assert storage.leases.of_node(node.uuid).purpose == "x" * 255


def test_of_many_that_want_a_node_at_once_one_gets_it(storage):
    node = make(storage, 1)
    results = []
    barrier = threading.Barrier(8)

    def want(number):
        barrier.wait(20)
        holder = Holder(f"host-{number}", str(number) * 36)
        results.append(take(storage, node, holder))

    threads = [threading.Thread(target=want, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 8
    (won,) = [r for r in results if isinstance(r, Changed)]
    (lease,) = storage.leases.all()
    assert lease.holder == won.record.reservation
    assert lease.token == node.lease_token + 1
