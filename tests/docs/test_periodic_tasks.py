# SPDX-License-Identifier: Apache-2.0
"""The pages about periodic tasks: examples that work, nothing left out."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import re
from types import SimpleNamespace
from typing import Any

import pytest

from baremetal_backend.conductor import lane_figures
from baremetal_backend.conductor.periodic.collect import collect
from baremetal_backend.conductor.periodic.figures import figures
from baremetal_backend.conductor.periodic.statistics import Statistics
from baremetal_backend.conductor.workers import make_lanes
from baremetal_backend.conf.settings import ConductorSettings, Settings
from baremetal_backend.core.errors import NodeNotFound
from baremetal_backend.drivers import base
from baremetal_backend.drivers.loader import build
from baremetal_backend.drivers.periodics import (
    driver_periodic_task,
    node_periodic,
)
from baremetal_backend.rpc.interface import PeriodicTaskInfo
from baremetal_backend.storage import DatabaseOptions
from tests.backend.conductor.periodic.test_scheduler import Stage
from tests.docs import pages

DRIVERS = pages.SOURCE / "contributor" / "periodic-tasks.rst"
OPERATORS = pages.SOURCE / "admin" / "periodic-tasks.rst"
SETTINGS = Settings("me", "/nowhere", DatabaseOptions("sqlite://"))


def example(name: str, **world: Any) -> tuple[Any, list]:
    """The interface of an example, and the tasks that it has."""
    scope = dict(world)
    exec(pages.block(DRIVERS, name), scope)
    (cls,) = [
        one
        for one in scope.values()
        if inspect.isclass(one)
        and issubclass(one, base.Interface)
        and one.__module__ == "builtins"
    ]
    hardware = type(
        "Shelf",
        (base.AbstractHardwareType,),
        {"interfaces": {cls.kind: (cls,)}},
    )
    found = collect(build({"shelf": hardware}, SETTINGS))
    return found[0].interface, found


class Manager:
    def __init__(self, *rows: str) -> None:
        self.rows = [SimpleNamespace(uuid=uuid) for uuid in rows]
        self.calls: list[tuple] = []

    def nodes(self, interface=None, filters=None, fields=()):
        return self.rows

    def shared(self, uuid):
        if uuid == "gone":
            raise NodeNotFound(uuid)
        return SimpleNamespace(node=f"node {uuid}")

    def resume(self, uuid, seen=None):
        self.calls.append(("resume", uuid, seen))

    def fail(self, uuid, sentence, seen=None):
        self.calls.append(("fail", uuid, sentence, seen))


def test_all_examples_are_tested():
    assert pages.block_names(DRIVERS) == [
        "driver-task",
        "node-task",
        "batch-task",
    ]


def test_the_example_of_a_task():
    interface, (found,) = example(
        "driver-task", read_all_controllers=lambda: ["one"]
    )
    assert found.task.spacing == "shelf.refresh_interval"
    found.method(Manager(), None)
    assert interface.inventory == ["one"]


@pytest.mark.parametrize(
    ("job", "calls"),
    [
        ({"failed": False, "done": False}, []),
        ({"failed": False, "done": True}, [("resume", "n1")]),
        ({"failed": True, "done": False}, [("fail", "n1", "broken")]),
    ],
)
def test_the_example_of_a_task_for_nodes(job, calls):
    answer = SimpleNamespace(message="broken", **job)
    _, (found,) = example("node-task", read_job=lambda job_id: answer)
    node = SimpleNamespace(uuid="n1", driver_internal_info={"shelf_job": "j1"})
    assert found.nodes.predicate(node)
    manager = Manager()
    found.method(SimpleNamespace(node=node), manager, None)
    assert manager.calls == [(*call, node) for call in calls]


def test_the_example_of_one_call_for_many_nodes():
    _, (found,) = example(
        "batch-task", read_finished=lambda: {"n2", "n3", "gone"}
    )
    manager = Manager("n1", "n2", "gone", "n3")
    found.method(manager, None)
    assert manager.calls == [
        ("resume", "n2", "node n2"),
        ("resume", "n3", "node n3"),
    ]


@pytest.mark.parametrize("decorator", [driver_periodic_task, node_periodic])
def test_each_argument_is_explained_to_drivers(decorator):
    text = DRIVERS.read_text()
    for name in inspect.signature(decorator).parameters:
        assert f"``{name}``" in text


def test_each_field_is_explained_to_operators():
    text = OPERATORS.read_text()
    for field in dataclasses.fields(PeriodicTaskInfo):
        assert f"``{field.name}``" in text


def test_each_figure_is_explained_to_operators():
    shown = {
        figure.name + ("_total" if figure.kind == "counter" else "")
        for source in (
            figures(Statistics(lambda: 0.0, lambda: 0.0)),
            lane_figures.figures(make_lanes(ConductorSettings())),
        )
        for figure in source()
    }
    assert shown == set(
        re.findall(r"``((?:periodic|lane)_\w+)``", OPERATORS.read_text())
    ) - {"periodic_max_workers"}


def test_the_log_lines_are_those_of_the_code(caplog):
    stage = Stage()
    stage.threads.held = []
    stage.add(lambda context: None, name="raid.shelf.poll")
    with caplog.at_level(logging.INFO):
        stage.at(10)
        stage.at(20)
    assert caplog.records[0].getMessage() in OPERATORS.read_text()
