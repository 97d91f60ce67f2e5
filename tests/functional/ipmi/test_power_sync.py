# SPDX-License-Identifier: Apache-2.0
"""What a whole service publishes of power states, and what it lets go of.

How it acts on faults is tested in ``test_service_faults.py``; here are the
record that follows the machine, what operators see, and sessions that are
closed when nobody needs them any more. The service asks every second, so that
what takes minutes elsewhere takes seconds here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.ipmi import witness
from tests.backend.running import RunningBackend, until

ON, OFF = "power on", "power off"


@pytest.fixture(scope="module")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        DEFAULT={"enabled_hardware_types": "ipmi"},
        conductor={
            "sync_power_state_interval": "1",
            "power_state_sync_max_retries": "100",
            "force_power_state_during_sync": "false",
        },
        ipmi={
            "command_retry_timeout": "3",
            "poll_timeout": "0.7",
            "breaker_longest_pause": "1",
            # Longer than any wait for an end: what ends, is ended on purpose.
            "session_idle_timeout": "25",
        },
    )
    yield running
    running.stop()


def enrolled(backend: RunningBackend, driver_info: Any) -> str:
    """A node at rest, with the state that its controller says."""
    made = backend.node(driver="ipmi", driver_info=driver_info)
    uuid = str(made["uuid"])
    path = f"/v1/nodes/{uuid}/states/provision"
    assert backend.http("PUT", path, {"target": "manage"}).status == 202
    backend.state(uuid, "manageable")
    return uuid


def removed(backend: RunningBackend, uuid: str) -> None:
    backend.http("PUT", f"/v1/nodes/{uuid}/maintenance", {"reason": "end"})
    assert backend.http("DELETE", f"/v1/nodes/{uuid}").status == 204


def shown(backend: RunningBackend, uuid: str) -> dict[str, Any]:
    return dict(backend.http("GET", f"/v1/nodes/{uuid}").json)


def known(backend: RunningBackend, uuid: str) -> dict[str, Any]:
    path = f"/v1/nodes/{uuid}/states/power"
    return dict(backend.http("GET", path).json)


def switch(backend: RunningBackend, uuid: str, state: str) -> None:
    path = f"/v1/nodes/{uuid}/states/power"
    assert backend.http("PUT", path, {"target": state}).status == 202
    until(
        lambda: (
            shown(backend, uuid)["power_state"] == state
            and shown(backend, uuid)["target_power_state"] is None
        ),
        20,
        f"{uuid} to be {state}",
    )


def polled(backend: RunningBackend, uuid: str) -> None:
    """Until it was asked again by the poller, with success."""
    began = time.monotonic()

    def asked_since() -> bool:
        found = known(backend, uuid)
        return bool(
            found["source"] == "poll"
            and found["age"] < time.monotonic() - began
        )

    until(asked_since, 20, f"{uuid} to be asked")


def patch(backend: RunningBackend, uuid: str, **info: Any) -> None:
    body = [
        {"op": "add", "path": f"/driver_info/{name}", "value": value}
        for name, value in info.items()
    ]
    assert backend.http("PATCH", f"/v1/nodes/{uuid}", body).status == 200


def test_without_force_the_record_follows_the_machine(backend, farm):
    uuid = enrolled(backend, farm[0].driver_info)
    switch(backend, uuid, ON)
    assert known(backend, uuid)["observed_state"] == ON
    polled(backend, uuid)
    farm[0].is_on = False
    until(
        lambda: shown(backend, uuid)["power_state"] == OFF,
        20,
        "the record to follow",
    )
    assert not witness.is_on(farm[0].target)
    actions = backend.http("GET", "/v1/conductors/one/power").json["actions"]
    assert actions["take over"] >= 1
    assert actions["force"] == 0
    removed(backend, uuid)


def test_a_password_that_is_corrected_is_used_at_once(backend, farm):
    uuid = enrolled(backend, farm[3].driver_info)
    polled(backend, uuid)
    patch(backend, uuid, ipmi_password="not-the-one")
    until(
        lambda: known(backend, uuid)["error_kind"] == "bad_credentials",
        20,
        "the refusal",
    )
    assert "not-the-one" not in known(backend, uuid)["last_error"]
    patch(backend, uuid, ipmi_password=farm[3].password)
    until(
        lambda: known(backend, uuid)["consecutive_failures"] == 0,
        20,
        "an answer",
    )
    removed(backend, uuid)


def test_a_dead_controller_is_seen_in_all_figures(backend, farm):
    live, dead = (enrolled(backend, farm[n].driver_info) for n in (1, 2))
    polled(backend, dead)
    farm[2].kill()
    try:
        until(
            lambda: known(backend, dead)["consecutive_failures"] >= 2,
            20,
            "two failures",
        )
        polled(backend, live)
        seen = known(backend, dead)
        assert seen["error_kind"] == "unreachable"
        assert str(farm[2].port) in seen["last_error"]
        assert seen["age"] > known(backend, live)["age"]
        found = backend.http("GET", "/v1/conductors/one/power").json
        assert (found["polled"], found["failing"]) == (2, 1)
        assert found["age_max"] >= found["age_p50"]
        assert found["errors"]["unreachable"] >= 2
    finally:
        farm[2].start()
    polled(backend, dead)
    assert known(backend, dead)["last_error"] is None
    for uuid in (live, dead):
        removed(backend, uuid)


def test_a_node_that_is_removed_leaves_no_session_behind(backend, scripted):
    uuid = enrolled(backend, scripted.driver_info)
    polled(backend, uuid)
    assert scripted.sessions == 1
    removed(backend, uuid)
    until(lambda: scripted.sessions == 0, 15, "the end of its session")


def test_a_controller_that_a_node_left_has_no_session_of_it(
    backend, scripted, farm
):
    uuid = enrolled(backend, scripted.driver_info)
    polled(backend, uuid)
    patch(backend, uuid, **farm[1].driver_info)
    until(lambda: scripted.sessions == 0, 15, "the end of its session")
    polled(backend, uuid)
    removed(backend, uuid)
