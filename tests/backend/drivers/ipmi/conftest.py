# SPDX-License-Identifier: Apache-2.0
"""Interfaces of hardware type ipmi against BMCs in memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import UnsupportedDriverExtension
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.ipmi.interface import IpmiInterface
from baremetal_backend.storage import DatabaseOptions
from tests.fakes.bmc import Clock, FakeBmc, FakeClient

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))
INFO = {
    "ipmi_address": "192.0.2.1",
    "ipmi_username": "admin",
    "ipmi_password": "secret",
}


class Interfaces:
    """The node's other interfaces; those that it has."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def __getattr__(self, kind: str) -> Any:
        if kind not in self._found:
            raise UnsupportedDriverExtension("ipmi", kind)
        return self._found[kind]


class Task:
    """A node in exclusive use, kept in memory."""

    def __init__(self, node: Node, **interfaces: Any) -> None:
        self.node = node
        self.driver = Interfaces(interfaces)
        self.saves = 0

    def save(self, **changes: Any) -> Node:
        self.saves += 1
        self.node = dataclasses.replace(self.node, **changes)
        return self.node


class Bench:
    """A node, its BMC, and time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.client = FakeClient(self.clock)
        self.bmc = self.client.bmcs["192.0.2.1"] = FakeBmc(self.clock)
        self.pauses: list[float] = []

    def node(self, **values: Any) -> Node:
        found: dict[str, Any] = {
            "uuid": "u",
            "driver": "ipmi",
            "driver_info": INFO,
        }
        return Node(**found | values)

    def make(self, cls: type[IpmiInterface], **options: Any) -> Any:
        """An interface; ``options`` replace groups of the settings."""
        settings = dataclasses.replace(SETTINGS, **options)
        made = cls(settings, self.client)
        made.monotonic = self.clock
        return made

    def run(self, progress: Any) -> Any:
        """Do long work; its pauses take no time."""
        if progress is None:
            return None
        while True:
            try:
                pause = next(progress)
            except StopIteration as stop:
                return stop.value
            self.pauses.append(pause.seconds)
            self.clock.now += pause.seconds


@pytest.fixture
def bench() -> Bench:
    return Bench()
