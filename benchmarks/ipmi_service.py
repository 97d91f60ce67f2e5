# SPDX-License-Identifier: Apache-2.0
"""The service as a process, with nodes that have controllers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bare_metal_services import BACKEND, Service, cpu_seconds, running

from lab.ipmi.farm import SimulatedBmc

_CLIENTS = 8
_ENROLLED_WITHIN = 300.0
_SWITCHED_WITHIN = 60.0

_OPTIONS = """\
[DEFAULT]
enabled_hardware_types = fake-hardware,ipmi
[conductor]
sync_power_state_interval = {interval}
power_polls_per_second = {rate}
"""


@dataclass(frozen=True)
class Steady:
    """While nothing happens but that power states are followed."""

    #: The oldest that the 99th percentile got, in seconds.
    age_p99: float
    #: Of one core, from 0.
    load: float
    polls_per_second: float
    failing: int


class Enrolled:
    """A service whose nodes are manageable, and at rest."""

    def __init__(self, service: Service, nodes: dict[str, SimulatedBmc]):
        self._service = service
        self.nodes = nodes

    def switch_on(self, node: str) -> float:
        """Seconds from the request until it is over, power on.

        :raises RuntimeError: it isn't, or the machine does not run
        """
        began = time.monotonic()
        self._service.request(
            "PUT", f"/v1/nodes/{node}/states/power", {"target": "power on"}
        )
        while True:
            states = self._service.request("GET", f"/v1/nodes/{node}/states")
            seconds = time.monotonic() - began
            if states["target_power_state"] is None:
                break
            if seconds > _SWITCHED_WITHIN:
                raise RuntimeError(f"not on: {states}")
            time.sleep(0.01)
        if states["power_state"] != "power on" or not self.nodes[node].is_on:
            raise RuntimeError(f"not on: {states}")
        return seconds

    def watch(self, seconds: float) -> Steady:
        """Look on for a while."""
        pid, worst = self._service.pid, 0.0
        began, cpu = time.monotonic(), cpu_seconds(pid)
        polls = self._power()["polls"]
        while time.monotonic() - began < seconds:
            time.sleep(2)
            worst = max(worst, self._power()["age_p99"])
        wall = time.monotonic() - began
        found = self._power()
        return Steady(
            worst,
            (cpu_seconds(pid) - cpu) / wall,
            (found["polls"] - polls) / wall,
            found["failing"],
        )

    def _power(self) -> Any:
        return self._service.request("GET", "/v1/conductors/benchmark/power")


@contextmanager
def enrolled(
    bmcs: Sequence[SimulatedBmc], interval: int, rate: float
) -> Iterator[Enrolled]:
    """The service with a node for each controller."""
    options = _OPTIONS.format(interval=interval, rate=rate)
    with running(BACKEND, options) as service:
        with ThreadPoolExecutor(_CLIENTS) as pool:
            made = list(pool.map(lambda one: _manage(service, one), bmcs))
        deadline = time.monotonic() + _ENROLLED_WITHIN
        while left := _not_manageable(service):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} nodes are not manageable")
            time.sleep(0.5)
        yield Enrolled(service, dict(zip(made, bmcs, strict=True)))


def _manage(service: Service, bmc: SimulatedBmc) -> str:
    """Enrol its node; while the service has no free worker, try again."""
    body = {"driver": "ipmi", "driver_info": bmc.driver_info}
    node: str = service.request("POST", "/v1/nodes", body)["uuid"]
    path, deadline = f"/v1/nodes/{node}/states/provision", time.monotonic()
    while True:
        try:
            service.request("PUT", path, {"target": "manage"})
        except RuntimeError:
            if time.monotonic() > deadline + _ENROLLED_WITHIN:
                raise
            time.sleep(0.2)
        else:
            return node


def _not_manageable(service: Service) -> int:
    fields = "fields=provision_state&limit=1000"
    left, path = 0, f"/v1/nodes?{fields}"
    while path:
        page = service.request("GET", path)
        left += sum(
            node["provision_state"] != "manageable" for node in page["nodes"]
        )
        following = page.get("next", "")
        path = following[following.find("/v1/") :] if following else ""
    return left
