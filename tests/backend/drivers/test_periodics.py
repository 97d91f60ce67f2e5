# SPDX-License-Identifier: Apache-2.0
"""The decorators describe, and refuse what can't be meant."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.core.node_selection import Filters
from baremetal_backend.drivers.periodics import (
    MARK,
    NodePeriodic,
    Overrun,
    PeriodicTask,
    driver_periodic_task,
    node_periodic,
)


def test_a_decorator_only_describes():
    def refresh(self, manager, context):
        return (self, manager, context)

    marked = driver_periodic_task(spacing=30)(refresh)
    assert marked is refresh
    assert marked("self", "manager", "context") == (
        "self",
        "manager",
        "context",
    )
    assert getattr(marked, MARK) == PeriodicTask(
        spacing=30,
        enabled=True,
        parallel=True,
        run_immediately=False,
        overrun=Overrun.SKIP,
        jitter=0.0,
    )


def test_the_description_names_options_and_does_not_read_them():
    @driver_periodic_task(spacing="my.interval", enabled="my.enabled")
    def refresh(self, manager, context): ...

    record = getattr(refresh, MARK)
    assert (record.spacing, record.enabled) == ("my.interval", "my.enabled")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.spacing = 5


def test_a_node_task_says_for_which_nodes_it_is():
    def wanted(node):
        return True

    @node_periodic(
        "look after raid jobs",
        60,
        filters={"provision_state": "clean wait", "reserved": False},
        predicate=wanted,
        predicate_extra_fields=["driver_internal_info"],
        limit=5,
        shared=False,
    )
    def poll(self, task, manager, context): ...

    assert getattr(poll, MARK) == NodePeriodic(
        "look after raid jobs",
        PeriodicTask(60),
        Filters.of({"provision_state": "clean wait", "reserved": False}),
        wanted,
        ("driver_internal_info",),
        limit=5,
        shared=False,
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"spacing": 0}, "spacing: 0"),
        ({"spacing": -1}, "spacing: -1"),
        ({"spacing": float("nan")}, "spacing: nan"),
        ({"spacing": float("inf")}, "spacing: inf"),
        ({"spacing": "interval"}, '"interval" is not the name of an option'),
        ({"spacing": "a.b.c"}, '"a.b.c" is not the name of an option'),
        ({"spacing": 1, "enabled": "yes"}, '"yes" is not the name'),
        ({"spacing": 1, "jitter": 1.5}, "jitter: 1.5"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_written(
    arguments, complaint
):
    with pytest.raises(ValueError, match=complaint):
        driver_periodic_task(**arguments)
    with pytest.raises(ValueError, match=complaint):
        node_periodic("purpose", **arguments)


def test_a_disabled_task_may_have_any_spacing():
    assert PeriodicTask(spacing=0, enabled=False).enabled is False


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"purpose": ""}, "purpose"),
        ({"limit": 0}, "limit: 0"),
        ({"filters": {"colour": "red"}}, '"colour"'),
        ({"predicate_extra_fields": ["colour"]}, "a node has no colour"),
    ],
)
def test_a_node_task_that_cannot_be_meant_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        node_periodic(**{"purpose": "poll", "spacing": 1} | arguments)
