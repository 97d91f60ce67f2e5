# SPDX-License-Identifier: Apache-2.0
"""The table of conductors, and what the gone ones left behind."""

from __future__ import annotations

import dataclasses
import time

import sqlalchemy as sa

from baremetal_backend.core.records import (
    ConductorRecord,
    HistoryEvent,
    Holder,
)
from baremetal_backend.storage import Changed
from baremetal_backend.storage.orphans import Repair
from baremetal_backend.storage.tables import LEASES
from tests.backend.storage.conftest import make, uuid_of

NOW = "2027-01-15T08:00:00+00:00"
LATER = "2027-01-15T08:00:10+00:00"
ONE = Holder("one", "11111111-1111-4111-8111-111111111111")
AGAIN = Holder("one", "22222222-2222-4222-8222-222222222222")
TWO = Holder("two", "33333333-3333-4333-8333-333333333333")


def row(holder, **values):
    return ConductorRecord(
        host=holder.host,
        incarnation=holder.incarnation,
        hardware_types={"fake": {"interfaces": {}, "properties": {}}},
        process="boot/ns/1/2",
        registered_at=NOW,
        renewed_at=NOW,
        **values,
    )


def only(storage):
    (found,) = storage.conductors.all()
    return found


def take(storage, uuid, holder):
    result = storage.leases.take(
        uuid, holder, "test", lane="provisioning", expires_at=LATER
    )
    assert isinstance(result, Changed)
    return result.record


def event(uuid, text="taken over"):
    return HistoryEvent(
        uuid=uuid,
        node_uuid=uuid,
        severity="INFO",
        event_type="takeover",
        event=text,
        created_at=NOW,
    )


def test_a_row_is_registered_as_it_is(storage):
    assert storage.conductors.register(row(ONE), None)
    assert only(storage) == row(ONE)


def test_of_two_that_register_one_host_one_wins(storage):
    assert storage.conductors.register(row(ONE), None)
    assert not storage.conductors.register(row(AGAIN), None)
    assert only(storage).incarnation == ONE.incarnation


def test_a_row_is_replaced_only_as_it_was_seen(storage):
    storage.conductors.register(row(ONE), None)
    seen = only(storage)
    assert storage.conductors.renew(ONE, LATER)
    assert not storage.conductors.register(row(AGAIN), seen)
    assert storage.conductors.register(row(AGAIN), only(storage))
    assert only(storage) == row(AGAIN)


def test_a_renewal_counts_up_and_prolongs_the_leases_with_it(storage):
    storage.conductors.register(row(ONE), None)
    node = make(storage, 1)
    take(storage, node.uuid, ONE)
    assert storage.conductors.renew(
        ONE,
        LATER,
        lambda connection: storage.leases.renew(
            connection, ONE.incarnation, "2027-01-15T09:00:00+00:00"
        ),
    )
    assert (only(storage).beat, only(storage).renewed_at) == (1, LATER)
    (beat,) = storage.conductors.beats()
    assert (beat.host, beat.beat, beat.state) == ("one", 1, "active")
    lease = storage.leases.of_node(node.uuid)
    assert lease.expires_at == "2027-01-15T09:00:00+00:00"


def test_who_was_declared_gone_can_renew_nothing(storage):
    storage.conductors.register(row(ONE), None)
    assert storage.conductors.declare_gone(only(storage))
    done = []
    assert not storage.conductors.renew(ONE, LATER, done.append)
    assert done == []
    assert (only(storage).state, only(storage).beat) == ("gone", 0)


def test_who_moved_in_time_is_not_declared_gone(storage):
    storage.conductors.register(row(ONE), None)
    seen = only(storage)
    storage.conductors.renew(ONE, LATER)
    assert not storage.conductors.declare_gone(seen)
    assert only(storage).state == "active"


def test_a_second_judge_is_told_that_it_was_done(storage):
    storage.conductors.register(row(ONE), None)
    seen = only(storage)
    assert storage.conductors.declare_gone(seen)
    assert not storage.conductors.declare_gone(seen)


def test_a_draining_conductor_still_renews_and_then_leaves(storage):
    storage.conductors.register(row(ONE), None)
    assert storage.conductors.drain(ONE)
    assert storage.conductors.renew(ONE, LATER)
    assert only(storage).state == "draining"
    assert not storage.conductors.remove(AGAIN)
    assert storage.conductors.remove(ONE)
    assert storage.conductors.all() == []


def test_who_is_gone_is_forgotten_once_nothing_is_left_of_it(storage):
    storage.conductors.register(row(ONE), None)
    storage.conductors.register(row(TWO), None)
    node = make(storage, 1)
    take(storage, node.uuid, ONE)
    for seen in storage.conductors.all():
        storage.conductors.declare_gone(seen)
    assert storage.conductors.forget_gone(NOW) == 0
    assert storage.conductors.forget_gone(LATER) == 1
    assert only(storage).host == "one"


def test_what_a_living_conductor_works_on_is_no_orphan(storage):
    storage.conductors.register(row(ONE), None)
    make(storage, 1)
    make(storage, 2, provision_state="active", power_state="power on")
    take(storage, make(storage, 3, provision_state="deploying").uuid, ONE)
    storage.conductors.drain(ONE)
    assert storage.orphans.find() == []


def test_whatever_looks_like_work_without_a_worker_is_an_orphan(storage):
    storage.conductors.register(row(TWO), None)
    busy = make(storage, 1, provision_state="deploying")
    powering = make(storage, 2, target_power_state="power on")
    leased = make(storage, 3, provision_state="cleaning")
    take(storage, leased.uuid, ONE)
    reserved = make(storage, 4, reservation="old")
    gone = make(storage, 5)
    take(storage, gone.uuid, TWO)
    storage.conductors.declare_gone(only(storage))
    make(storage, 6, provision_state="clean wait")
    found = [(one.uuid, one.holder) for one in storage.orphans.find()]
    assert found == [
        (busy.uuid, None),
        (powering.uuid, None),
        (leased.uuid, "one"),
        (reserved.uuid, "old"),
        (gone.uuid, "two"),
    ]


def test_a_host_that_came_back_does_not_own_its_former_leases(storage):
    storage.conductors.register(row(ONE), None)
    node = make(storage, 1, provision_state="deploying")
    take(storage, node.uuid, ONE)
    storage.conductors.register(row(AGAIN), only(storage))
    (orphan,) = storage.orphans.find()
    assert (orphan.uuid, orphan.holder) == (node.uuid, "one")


def test_a_repair_ends_the_lease_and_the_holder_can_write_no_more(storage):
    node = take(storage, make(storage, 1).uuid, ONE)
    repair = Repair(node, {"last_error": "lost"}, event(node.uuid))
    assert storage.orphans.repair([repair]) == [node.uuid]
    after = storage.nodes.get(node.uuid)
    assert (after.reservation, after.last_error) == (None, "lost")
    assert storage.leases.all() == []
    assert not isinstance(
        storage.nodes.change(
            node.uuid, {"last_error": "x"}, token=node.lease_token
        ),
        Changed,
    )
    (told,) = storage.history.page(node.uuid)
    assert told.event == "taken over"


def test_a_node_that_was_written_meanwhile_is_left_alone(storage):
    first = take(storage, make(storage, 1).uuid, ONE)
    second = take(storage, make(storage, 2).uuid, ONE)
    stale = dataclasses.replace(first, version=first.version - 1)
    done = storage.orphans.repair(
        [
            Repair(stale, {}, event(first.uuid)),
            Repair(second, {}, event(second.uuid)),
            Repair(
                dataclasses.replace(second, uuid=uuid_of(9)),
                {},
                event(uuid_of(9)),
            ),
        ]
    )
    assert done == [second.uuid]
    assert storage.nodes.get(first.uuid).reservation == "one"


def test_a_thousand_nodes_are_repaired_within_seconds(storage):
    nodes = [
        make(storage, n, provision_state="deploying") for n in range(1, 1001)
    ]
    with storage.database.writing() as connection:
        connection.execute(
            sa.insert(LEASES),
            [
                {
                    "node_uuid": node.uuid,
                    "holder": ONE.host,
                    "incarnation": ONE.incarnation,
                    "purpose": "deploy",
                    "lane": "provisioning",
                    "acquired_at": NOW,
                    "expires_at": LATER,
                    "token": 1,
                }
                for node in nodes
            ],
        )
    began = time.monotonic()
    found = storage.orphans.find()
    for start in range(0, 1000, 100):
        batch = storage.orphans.read(
            [one.uuid for one in found[start : start + 100]]
        )
        done = storage.orphans.repair(
            [
                Repair(node, {"provision_state": "x"}, event(node.uuid))
                for node in batch
            ]
        )
        assert len(done) == 100
    assert time.monotonic() - began < 5
    assert storage.orphans.find() == []
