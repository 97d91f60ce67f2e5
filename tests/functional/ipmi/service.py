# SPDX-License-Identifier: Apache-2.0
"""The service as a process with nodes of hardware type ipmi."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.backend.running import RunningBackend, until

ON, OFF = "power on", "power off"

# Scaled: the defaults are a minute, ten seconds, and so on.
OPTIONS: dict[str, dict[str, str]] = {
    "DEFAULT": {"enabled_hardware_types": "ipmi"},
    "ipmi": {
        "command_retry_timeout": "2",
        "poll_timeout": "1",
        "breaker_longest_pause": "2",
    },
    "conductor": {
        "power_state_change_timeout": "6",
        "sync_power_state_interval": "1",
        "power_state_sync_max_retries": "2",
        "power_failure_recovery_interval": "1",
    },
}


class Service:
    """The backend, in words of these tests."""

    def __init__(
        self,
        directory: Path,
        options: dict[str, Any] = OPTIONS,
    ) -> None:
        self.backend = RunningBackend(directory, **options)
        self._enrolled: list[str] = []

    def enrol(self, driver_info: Any, **values: Any) -> str:
        """Its uuid."""
        node = self.backend.node(
            driver="ipmi", driver_info=dict(driver_info), **values
        )
        self._enrolled.append(str(node["uuid"]))
        return self._enrolled[-1]

    def forget(self) -> None:
        """Remove all: two nodes with one controller would fight."""
        for node in self._enrolled:
            self.until_node(node, target_power_state=None)
            reply = self.backend.http("DELETE", f"/v1/nodes/{node}")
            assert reply.status == 204, reply.data
        self._enrolled.clear()

    def manage(self, node: str) -> None:
        self.ask_to_manage(node)
        self.backend.state(node, "manageable")

    def ask_to_manage(self, node: str) -> None:
        path = f"/v1/nodes/{node}/states/provision"
        reply = self.backend.http("PUT", path, {"target": "manage"})
        assert reply.status == 202, reply.data

    def managed(self, driver_info: Any) -> str:
        node = self.enrol(driver_info)
        self.manage(node)
        return node

    def show(self, node: str) -> dict[str, Any]:
        return dict(self.backend.http("GET", f"/v1/nodes/{node}").json)

    def patch(self, node: str, path: str, value: Any) -> None:
        reply = self.backend.http(
            "PATCH",
            f"/v1/nodes/{node}",
            [{"op": "add", "path": path, "value": value}],
        )
        assert reply.status == 200, reply.data

    def ask_for_power(self, node: str, target: str) -> None:
        path = f"/v1/nodes/{node}/states/power"
        reply = self.backend.http("PUT", path, {"target": target})
        assert reply.status == 202, reply.data

    def power(self, node: str, target: str, seconds: float = 15) -> float:
        """Switch, and wait for it; how long it took."""
        started = time.monotonic()
        self.ask_for_power(node, target)
        until(
            lambda: self.show(node)["target_power_state"] is None,
            seconds,
            f"{target} of {node} to end",
        )
        return time.monotonic() - started

    def until_node(
        self, node: str, seconds: float = 15, **wanted: Any
    ) -> dict[str, Any]:
        """Wait for these values of a node."""
        seen: dict[str, Any] = {}

        def reached() -> bool:
            seen.update(self.show(node))
            return all(seen[name] == wanted[name] for name in wanted)

        try:
            until(reached, seconds, f"{wanted}")
        except AssertionError as error:
            have = {name: seen[name] for name in wanted}
            raise AssertionError(
                f"{error}; have {have}, last error {seen['last_error']}"
            ) from None
        return seen

    def until_polled(self, node: str) -> None:
        """Wait until the power state was asked for once more."""
        path = f"/v1/nodes/{node}/states/power"

        def seen() -> tuple[str, str]:
            shown = self.backend.http("GET", path).json
            return shown["source"], shown["observed_at"]

        before = seen()
        until(
            lambda: seen()[0] == "poll" and seen() != before,
            15,
            f"{node} to be asked",
        )
