# SPDX-License-Identifier: Apache-2.0
"""Periodic tasks of a running conductor, as an operator sees them."""

from __future__ import annotations

import pytest

from tests.backend.running import until

PATH = "/v1/conductors/one/periodics"


def task(http, name: str) -> dict:
    found = http("GET", PATH)
    assert found.status == 200
    by_name = {one["name"]: one for one in found.json["periodics"]}
    assert list(by_name) == sorted(by_name)
    return by_name[name]


def test_the_conductors_own_tasks_are_shown(http):
    seen = task(http, "conductor.end_waits")
    assert seen["spacing"] == 60
    assert seen["enabled"] is True
    assert seen["parallel"] is False
    assert seen["overrun"] == "skip"
    assert seen["next_run_at"] is not None
    assert set(seen) == {
        "name",
        "purpose",
        "spacing",
        "enabled",
        "parallel",
        "overrun",
        "running",
        "runs",
        "failures",
        "consecutive_failures",
        "missed",
        "last_started_at",
        "last_ended_at",
        "last_seconds",
        "lag",
        "last_result",
        "last_error",
        "next_run_at",
        "last_report",
    }


def test_a_run_leaves_its_figures(http):
    # It runs at the start.
    name = "conductor.remove_old_events"
    until(lambda: task(http, name)["runs"] > 0, 20, f"a run of {name}")
    seen = task(http, name)
    assert seen["last_result"] == "done"
    assert seen["last_error"] is None
    assert seen["consecutive_failures"] == 0
    assert seen["last_seconds"] >= 0
    assert seen["lag"] >= 0
    assert seen["last_started_at"] <= seen["last_ended_at"]


def test_a_conductor_that_is_not_there_has_none(http):
    reply = http("GET", "/v1/conductors/nobody/periodics")
    assert reply.status == 404
    assert reply.fault == "Conductor nobody could not be found."


def test_arguments_are_refused(http):
    assert http("GET", PATH + "?fields=name").status == 400


@pytest.mark.parametrize("version", ["1.48", "1.1"])
def test_clients_of_old_versions_do_not_see_it(http, version):
    assert http("GET", PATH, version=version).status == 404
