# SPDX-License-Identifier: Apache-2.0
"""From a mark to a run, with real threads: all parts together."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
from futurist import periodics as futurist_periodics
from oslo_service import periodic_task

from baremetal_backend import conf
from baremetal_backend.conductor.periodic.periodics import (
    Periodics,
    make_periodics,
)
from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.errors import (
    Conflict,
    InvalidParameterValue,
    NodeNotFound,
)
from baremetal_backend.core.records import Inventory
from baremetal_backend.drivers import base
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.periodics import (
    driver_periodic_task,
    node_periodic,
)
from baremetal_backend.rpc import wire
from tests.backend.conductor.conftest import World

PATIENCE = 20.0
#: What every option says unless it is set.
DEFAULTS = {
    f"{group}.{option.name}": option.default
    for group, options in conf.list_opts()
    for option in options
}
SPACING = 0.02


class Calls:
    """What was called, with what."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.seen: dict[str, list[tuple]] = {}

    def note(self, name: str, *arguments) -> None:
        with self._changed:
            self.seen.setdefault(name, []).append(arguments)
            self._changed.notify_all()

    def wait(self, name: str, times: int = 1) -> tuple:
        with self._changed:
            assert self._changed.wait_for(
                lambda: len(self.seen.get(name, ())) >= times, PATIENCE
            ), name
            return self.seen[name][-1]


def hardware(calls: Calls):
    class Raid(base.RaidInterface):
        name = "tasks"

        @driver_periodic_task("raid_tasks.interval", enabled="raid_tasks.on")
        def by_option(self, manager, context):
            calls.note("by_option", manager, context)

        @node_periodic("touch nodes", SPACING)
        def touch(self, task, manager, context):
            calls.note("touch", task.node.uuid)
            task.save(extra={"touched": True})

        @futurist_periodics.periodic(spacing=SPACING)
        def futurist_way(self, manager, context):
            calls.note("futurist", manager, context)

        @periodic_task.periodic_task(spacing=SPACING)
        def oslo_way(self, context):
            calls.note("oslo", context)

    class Hardware(FakeHardware):
        interfaces = FakeHardware.interfaces | {"raid": (Raid,)}

    return Hardware


class Stage:
    def __init__(self, path, **options) -> None:
        self.calls = Calls()
        self.world = World(path, hardware(self.calls))
        self.configure(**options)
        self.context = self.world.conductor._context
        self.periodics = Periodics(self.context, lambda *_: True)

    def configure(self, **options) -> None:
        given = {"interval": SPACING, "on": True} | options
        self.world.settings = dataclasses.replace(
            self.world.settings,
            options=DEFAULTS
            | {f"raid_tasks.{k}": v for k, v in given.items()},
        )

    def start(self) -> None:
        self.periodics.collect()
        self.periodics.start()

    def info(self, name: str):
        found = self.world.conductor.periodics("me")
        return {one.name: one for one in found}[name]

    def close(self) -> None:
        assert self.periodics.stop(PATIENCE)
        self.world.close()


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.close()


def test_all_kinds_of_tasks_run_with_what_their_mark_promises(stage):
    stage.start()
    manager = stage.periodics.manager
    assert stage.calls.wait("by_option")[0] is manager
    assert stage.calls.wait("futurist")[0] is manager
    (context,) = stage.calls.wait("oslo")
    assert context.is_admin


def test_a_node_task_runs_for_nodes(stage):
    node = stage.world.node()
    stage.start()
    assert stage.calls.wait("touch", 2) == (node.uuid,)
    assert stage.world.get(node).extra == {"touched": True}
    info = stage.info("raid.tasks.touch")
    assert (info.purpose, info.last_report["looked_at"]) == ("touch nodes", 1)


def test_a_reload_changes_spacing_and_enablement(stage):
    stage.configure(interval=3600)
    stage.start()
    stage.calls.wait("futurist", 3)
    assert "by_option" not in stage.calls.seen
    stage.configure(interval=SPACING)
    stage.periodics.reload(stage.world.settings)
    stage.calls.wait("by_option", 2)
    stage.configure(on=False)
    stage.periodics.reload(stage.world.settings)
    info = stage.info("raid.tasks.by_option")
    assert (info.enabled, info.next_run_at) == (False, None)


def test_a_bad_value_is_refused_before_anything_is_reloaded(stage):
    stage.start()
    stage.configure(interval="often")
    with pytest.raises(ConfigurationError) as refused:
        stage.periodics.planned(stage.world.settings)
    assert str(refused.value) == (
        "[raid_tasks]interval: periodic task raid.tasks.by_option needs a "
        'number of seconds, not "often".'
    )
    stage.calls.wait("by_option", 2)


def test_a_missing_option_stops_the_start(stage):
    stage.world.settings = dataclasses.replace(
        stage.world.settings, options={}
    )
    with pytest.raises(ConfigurationError, match="which nobody declared"):
        stage.periodics.collect()


def test_a_task_may_be_added_while_others_run(stage):
    stage.start()

    @driver_periodic_task(SPACING)
    def late(manager, context):
        stage.calls.note("late", manager)

    @driver_periodic_task("raid_tasks.interval", enabled=False)
    def never(manager, context): ...

    manager = stage.periodics.manager
    assert manager.add_periodic_task(late) is True
    assert manager.add_periodic_task(late) is True
    assert manager.add_periodic_task(never) is False
    assert stage.calls.wait("late", 2) == (manager,)
    names = [one.name for one in stage.world.conductor.periodics("me")]
    assert sum("late" in name for name in names) == 1


def test_a_method_that_runs_already_is_not_added_again(stage):
    stage.start()
    driver = stage.world.registry.types["fake-hardware"]
    raid = driver.interfaces["raid"]["tasks"]
    assert stage.periodics.add_periodic_task(raid.touch) is True
    names = [one.name for one in stage.world.conductor.periodics("me")]
    assert names.count("raid.tasks.touch") == 1
    assert not any("Raid.touch" in name for name in names)


def test_after_stop_nothing_runs(stage):
    stage.start()
    stage.calls.wait("futurist")
    assert stage.periodics.stop(PATIENCE)
    assert not [
        t.name
        for t in threading.enumerate()
        if t.name.startswith(("periodic-", "baremetal-periodic"))
    ]


def test_what_is_known_of_a_task_may_travel_between_processes(stage):
    stage.world.node()
    stage.start()
    stage.calls.wait("touch", 2)
    known = stage.world.conductor.periodics("me")
    sent = json.loads(json.dumps(wire.encode_result("periodics", known)))
    assert tuple(wire.opened("periodics", sent)) == known


# -- what a driver may ask for ------------------------------------------------


def test_a_driver_gets_rows_of_the_conductors_own_nodes(stage):
    manager = stage.periodics.manager
    wanted = stage.world.node(state="clean wait", name="n1")
    stage.world.node(state="active")
    raid = stage.world.registry.types["fake-hardware"].interfaces["raid"]
    rows = manager.nodes(
        interface=raid["tasks"],
        filters={"provision_state": "clean wait"},
        fields=["name"],
    )
    assert [(row.uuid, row.name) for row in rows] == [(wanted.uuid, "n1")]
    assert len(manager.nodes()) == 2
    assert manager.host == "me"


def test_a_driver_may_take_a_node_that_nobody_has(stage):
    manager = stage.periodics.manager
    node = stage.world.node()
    with manager.exclusive(node.uuid, "measure") as task:
        assert task.node.reservation == "me"
        with pytest.raises(Conflict, match="used by me for measure since"):
            manager.exclusive(node.uuid, "measure again")
    assert stage.world.get(node).reservation is None
    assert manager.shared(node.uuid).node.uuid == node.uuid
    with pytest.raises(NodeNotFound):
        manager.shared("00000000-0000-4000-8000-999999999999")


def test_what_a_driver_collected_is_kept_without_secrets(stage):
    manager = stage.periodics.manager
    node = stage.world.node(name="n1")
    found = Inventory(
        {"bmc_address": "192.0.2.7", "load": float("nan")},
        {"ipmi": {"ipmi_password": "calvin"}},
    )
    manager.keep_inventory("n1", found)
    texts = stage.world.storage.inventories.texts(node.uuid)
    assert [json.loads(text) for text in texts] == [
        {"bmc_address": "192.0.2.7", "load": None},
        {"ipmi": {"ipmi_password": "******"}},
    ]
    with pytest.raises(NodeNotFound):
        manager.keep_inventory("n2", found)


def test_an_endless_nest_of_a_ramdisk_is_refused_in_words(stage):
    nest: list = []
    for _ in range(5000):
        nest = [nest]
    node = stage.world.node()
    with pytest.raises(InvalidParameterValue, match="nested too deeply"):
        stage.periodics.manager.keep_inventory(
            node.uuid, Inventory({}, {"nest": nest})
        )


def test_the_conductors_own_tasks_are_part_of_it(stage):
    stage.world.settings = dataclasses.replace(
        stage.world.settings,
        options=dict(stage.world.settings.options)
        | {"conductor.node_history_cleanup_interval": 0},
    )
    made = make_periodics(stage.context, lambda *_: True)
    made.collect()
    found = {
        one.name: one.enabled for one in stage.world.conductor.periodics("me")
    }
    assert found["conductor.end_waits"] is True
    assert found["conductor.remove_old_events"] is False
