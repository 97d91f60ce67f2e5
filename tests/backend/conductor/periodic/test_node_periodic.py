# SPDX-License-Identifier: Apache-2.0
"""Runs over nodes of a real database, with the real task manager."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from baremetal_backend.conductor.node_periodic import NodePeriodicRun, Report
from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.periodic.collect import collect
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidState,
    StorageUnavailable,
)
from baremetal_backend.drivers import base
from baremetal_backend.drivers.fake.hardware import FakeHardware, FakeRaid
from baremetal_backend.drivers.periodics import Stop, node_periodic
from baremetal_backend.storage.node_scan import NodeScan
from tests.backend.conductor.conftest import World

Body = Callable[[Any, Any], Any]


class Manager:
    """Notes what a task asks for, and whether the node was free then."""

    host = "me"

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: list[tuple] = []

    def resume(self, node_id, seen=None):
        free = self._world.storage.nodes.get(node_id).reservation is None
        self.calls.append(("resume", node_id, free))

    def fail(self, node_id, sentence, seen=None):
        free = self._world.storage.nodes.get(node_id).reservation is None
        self.calls.append(("fail", node_id, sentence, free))


class Probing:
    """A world whose nodes have a raid interface with one periodic task."""

    def __init__(self, path, body: Body, **arguments: Any) -> None:
        class Probe(base.RaidInterface):
            name = "probe"

            @node_periodic("poll the probe", 10, **arguments)
            def poll(self, task, manager, context):
                return body(task, manager)

        class Hardware(FakeHardware):
            interfaces = FakeHardware.interfaces | {"raid": (Probe, FakeRaid)}

        self.world = World(path, Hardware)
        self.owned: set[str] | None = None
        (found,) = [
            one
            for one in collect(self.world.registry)
            if one.name == "raid.probe.poll"
        ]
        nodes = OwnNodes(
            NodeScan(self.world.storage.database),
            self.world.registry,
            lambda uuid, driver, group: (
                self.owned is None or uuid in self.owned
            ),
        )
        self.run_task = NodePeriodicRun(found, nodes, self.world.tasks)
        self.manager = Manager(self.world)

    def node(self, **values):
        return self.world.node(**values)

    def run(self) -> Report:
        report = self.run_task(self.manager, None)
        # How long it took is the machine's business.
        return dataclasses.replace(report, seconds=0.0)


@pytest.fixture
def probing(tmp_path):
    with contextlib.ExitStack() as worlds:

        def make(body: Body, **arguments: Any) -> Probing:
            made = Probing(tmp_path, body, **arguments)
            worlds.callback(made.world.close)
            return made

        yield make


class Seen:
    """A body that notes the nodes."""

    def __init__(self, then: Body | None = None) -> None:
        self.uuids: list[str] = []
        self._then = then

    def __call__(self, task, manager):
        self.uuids.append(task.node.uuid)
        return self._then(task, manager) if self._then else None


@contextlib.contextmanager
def statements(world: World):
    """The statements that the database gets."""
    found: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        found.append(statement)

    engine = world.storage.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_only_nodes_of_this_implementation_are_looked_at(probing):
    seen = Seen()
    probe = probing(seen)
    mine = probe.node(raid_interface="probe")
    probe.node(raid_interface="fake")
    probe.node(raid_interface=None)
    probe.world.storage.nodes.create(
        dataclasses.replace(
            mine,
            uuid="20000000-0000-4000-8000-000000000000",
            driver="other-hardware",
        )
    )
    assert probe.run() == Report(looked_at=1, acted=1)
    assert seen.uuids == [mine.uuid]


def test_nodes_of_other_conductors_are_left_to_them(probing):
    seen = Seen()
    probe = probing(seen)
    nodes = [probe.node() for _ in range(4)]
    probe.owned = {nodes[1].uuid, nodes[3].uuid}
    assert probe.run() == Report(looked_at=2, acted=2)
    assert seen.uuids == [nodes[1].uuid, nodes[3].uuid]


def test_filters_choose_in_the_database(probing):
    seen = Seen()
    probe = probing(
        seen,
        filters={
            "provision_state_in": ("clean wait", "service wait"),
            "maintenance": False,
            "associated": False,
        },
    )
    wanted = probe.node(state="clean wait")
    probe.node(state="active")
    probe.node(state="clean wait", maintenance=True)
    probe.node(state="clean wait", instance_uuid="i1")
    assert probe.run() == Report(looked_at=1, acted=1)
    assert seen.uuids == [wanted.uuid]


def test_the_predicate_sees_the_row_before_any_other_query(probing):
    rows = []

    def predicate(row):
        rows.append(row)
        return False

    probe = probing(
        Seen(),
        predicate=predicate,
        predicate_extra_fields=["driver_internal_info", "traits", "name"],
    )
    probe.node(driver_internal_info={"job": [1, 2]}, name="n1")
    with statements(probe.world) as issued:
        assert probe.run() == Report(looked_at=1)
    (row,) = rows
    assert row.driver_internal_info == {"job": [1, 2]}
    assert (row.name, row.driver, row.version) == ("n1", "fake-hardware", 1)
    assert not hasattr(row, "power_state")
    assert len([s for s in issued if s.startswith("SELECT")]) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_ten_thousand_idle_nodes_cost_two_queries_at_most(probing, shared):
    probe = probing(
        Seen(),
        predicate=lambda row: "job" in row.driver_internal_info,
        predicate_extra_fields=["driver_internal_info"],
        shared=shared,
    )
    probe.node()
    copy_nodes(probe.world, 9_999)
    with statements(probe.world) as issued:
        report = probe.run()
    assert report == Report(looked_at=10_000)
    queries = [s for s in issued if not s.startswith(("BEGIN", "PRAGMA"))]
    assert len(queries) <= 2, queries


def copy_nodes(world: World, number: int) -> None:
    """Many copies of the only node, quickly."""
    nodes = sa.Table(
        "nodes", sa.MetaData(), autoload_with=world.storage.database.engine
    )
    with world.storage.database.writing() as connection:
        row = dict(connection.execute(sa.select(nodes)).mappings().one())
        del row["id"]
        connection.execute(
            sa.insert(nodes),
            [
                row | {"uuid": f"10000000-0000-4000-8000-{i:012d}"}
                for i in range(number)
            ],
        )


def test_a_shared_task_keeps_nobody_out_and_may_write(probing):
    states = []

    def body(task, manager):
        states.append(task.node.reservation)
        task.save(extra={"polled": True})

    probe = probing(body)
    node = probe.node()
    assert probe.run() == Report(looked_at=1, acted=1)
    assert states == [None]
    assert probe.world.get(node).extra == {"polled": True}


def test_a_write_that_comes_too_late_skips_the_node(probing):
    def body(task, manager):
        nodes = probe.world.storage.nodes
        nodes.change(
            task.node.uuid, {"extra": {"by": "a client"}}, unreserved=True
        )
        task.save(extra={"by": "the task"})

    probe = probing(body)
    node = probe.node()
    assert probe.run() == Report(looked_at=1, skipped=1)
    assert probe.world.get(node).extra == {"by": "a client"}


def test_an_exclusive_task_has_the_node_and_gives_it_back(probing):
    held = []

    def body(task, manager):
        held.append(task.node.reservation)
        task.save(extra={"polled": True})

    probe = probing(body, shared=False, filters={"reserved": False})
    node = probe.node()
    assert probe.run() == Report(looked_at=1, acted=1)
    assert held == ["me"]
    seen = probe.world.get(node)
    assert (seen.reservation, seen.extra) == (None, {"polled": True})


def test_an_exclusive_task_skips_nodes_that_are_in_use(probing):
    seen = Seen()
    probe = probing(seen, shared=False)
    busy, free = probe.node(), probe.node()
    with probe.world.tasks.exclusive(busy.uuid, "a client's call"):
        assert probe.run() == Report(looked_at=2, acted=1, skipped=1)
    assert seen.uuids == [free.uuid]


def test_a_node_that_vanishes_during_the_run_is_skipped(probing):
    def body(task, manager):
        if task.node.uuid == nodes[0].uuid:
            gone = nodes[1]
            probe.world.storage.nodes.delete(gone.uuid, gone.version)

    for_all = Seen(body)
    probe = probing(for_all)
    nodes = [probe.node() for _ in range(3)]
    assert probe.run() == Report(looked_at=3, acted=2, skipped=1)
    assert for_all.uuids == [nodes[0].uuid, nodes[2].uuid]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        {"provision_state": "active"},
        {"extra": {"wanted": False}},
        {"raid_interface": "fake"},
    ],
)
def test_a_node_that_changed_since_the_query_is_looked_at_again(
    probing, shared, change
):
    def body(task, manager):
        probe.world.storage.nodes.change(
            nodes[1].uuid, change, unreserved=True
        )

    for_all = Seen(body)
    probe = probing(
        for_all,
        filters={"provision_state": "clean wait", "reserved": False},
        predicate=lambda row: row.extra.get("wanted", True),
        predicate_extra_fields=["extra"],
        shared=shared,
    )
    nodes = [probe.node(state="clean wait") for _ in range(2)]
    assert probe.run() == Report(looked_at=2, acted=1, skipped=1)
    assert for_all.uuids == [nodes[0].uuid]


def test_a_node_that_changed_and_is_still_wanted_is_acted_on(probing):
    def body(task, manager):
        probe.world.storage.nodes.change(
            nodes[1].uuid, {"description": "new"}, unreserved=True
        )

    seen = Seen(body)
    probe = probing(seen, filters={"provision_state": "clean wait"})
    nodes = [probe.node(state="clean wait") for _ in range(2)]
    assert probe.run() == Report(looked_at=2, acted=2)


def test_a_node_that_moved_to_another_conductor_in_between_is_skipped(probing):
    def body(task, manager):
        probe.owned = set()

    probe = probing(body)
    probe.node(), probe.node()
    assert probe.run() == Report(looked_at=2, acted=1, skipped=1)


def stops_by_raising(task, manager):
    raise Stop


def stops_by_returning(task, manager):
    return Stop


def stops_by_returning_an_instance(task, manager):
    return Stop()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "body",
    [stops_by_raising, stops_by_returning, stops_by_returning_an_instance],
)
def test_stop_ends_the_run(probing, body, shared):
    seen = Seen(body)
    probe = probing(seen, shared=shared)
    first = probe.node()
    probe.node()
    assert probe.run() == Report(looked_at=2, acted=1)
    assert seen.uuids == [first.uuid]
    assert probe.world.get(first).reservation is None


def test_the_next_run_after_a_limit_begins_with_the_rest(probing):
    seen = Seen()
    probe = probing(seen, limit=2)
    nodes = [probe.node().uuid for _ in range(5)]
    for _ in range(3):
        assert probe.run() == Report(looked_at=5, acted=2)
    assert seen.uuids == [*nodes, nodes[0]]


def test_a_limit_counts_what_is_acted_on_and_not_what_is_looked_at(probing):
    seen = Seen()
    probe = probing(
        seen,
        limit=1,
        predicate=lambda row: row.name == "wanted",
        predicate_extra_fields=["name"],
    )
    for _ in range(5):
        probe.node()
    wanted = probe.node(name="wanted")
    assert probe.run() == Report(looked_at=6, acted=1)
    assert seen.uuids == [wanted.uuid]


def test_what_goes_wrong_with_a_node_does_not_end_the_run(probing, caplog):
    trouble = [HardwareFailed("the BMC is silent"), KeyError("x"), None]

    def body(task, manager):
        error = trouble.pop(0)
        if error is not None:
            raise error

    probe = probing(body)
    first, second, _third = (probe.node() for _ in range(3))
    with caplog.at_level(logging.INFO):
        assert probe.run() == Report(looked_at=3, acted=1, failed=2)
    errors = [
        (r.getMessage(), bool(r.exc_info))
        for r in caplog.records
        if r.levelno == logging.ERROR
    ]
    assert errors == [
        (
            f"Node {first.uuid}: poll the probe failed: the BMC is silent",
            False,
        ),
        (f"Node {second.uuid}: poll the probe failed: KeyError: 'x'", True),
    ]
    summary = caplog.records[-1].getMessage()
    assert summary.startswith(
        "poll the probe (raid.probe.poll): looked at 3 nodes, acted on 1, "
        "skipped 0, failed for 2, "
    )


def test_a_failure_that_repeats_is_logged_once(probing, caplog):
    sentences = ["down", "down", "on fire"]

    def body(task, manager):
        raise HardwareFailed(sentences.pop(0))

    probe = probing(body)
    probe.node()
    for _ in range(3):
        assert probe.run().failed == 1
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.getMessage().rpartition(": ")[2] for r in errors] == [
        "down",
        "on fire",
    ]


def test_an_idle_run_says_nothing(probing, caplog):
    probe = probing(Seen(), predicate=lambda row: False)
    probe.node()
    with caplog.at_level(logging.INFO):
        probe.run()
    assert caplog.records == []


def test_a_node_that_went_on_in_between_is_no_failure(probing):
    def body(task, manager):
        raise InvalidState("it went on")

    probe = probing(body)
    probe.node()
    assert probe.run() == Report(looked_at=1, skipped=1)


def test_a_database_that_does_not_answer_ends_the_run(probing):
    def body(task, manager):
        raise StorageUnavailable("gone", retry_after=1.0)

    seen = Seen(body)
    probe = probing(seen)
    probe.node(), probe.node()
    with pytest.raises(StorageUnavailable):
        probe.run()
    assert len(seen.uuids) == 1


@pytest.mark.parametrize("shared", [True, False])
def test_what_needs_the_node_waits_until_the_task_gave_it_back(
    probing, shared
):
    def body(task, manager):
        assert manager.host == "me"
        manager.resume(task.node.uuid)
        manager.fail(task.node.uuid, "too late")
        raise Stop

    probe = probing(body, shared=shared)
    node = probe.node()
    probe.run()
    assert probe.manager.calls == [
        ("resume", node.uuid, True),
        ("fail", node.uuid, "too late", True),
    ]


def test_a_closed_task_manager_ends_an_exclusive_run_quietly(probing):
    seen = Seen()
    probe = probing(seen, shared=False)
    probe.node()
    probe.world.tasks.close()
    assert probe.run() == Report(looked_at=1, skipped=1)
    assert seen.uuids == []
