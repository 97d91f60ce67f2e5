# SPDX-License-Identifier: Apache-2.0
"""Interfaces of hardware type pxe_ssh against a host in memory."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.ssh.interface import SshInterface
from baremetal_backend.drivers.ssh.management import SshManagement
from baremetal_backend.drivers.ssh.power import SshPower
from baremetal_backend.storage import DatabaseOptions
from tests.fakes.bmc import Clock
from tests.fakes.libvirt import FakeLibvirt, FakeMachine

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))
INFO = {
    "ssh_address": "192.0.2.1",
    "ssh_username": "stack",
    "ssh_password": "very secret",
    "ssh_virt_type": "virsh",
    "ssh_vm_name": "one",
}


class Task:
    """A node in exclusive use, kept as a database would keep it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.driver: Any = None

    def save(self, **changes: Any) -> Node:
        stored = json.loads(json.dumps(changes))
        self.node = dataclasses.replace(self.node, **stored)
        return self.node


class Bench:
    """A node, the host of its machine, and time."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.libvirt = FakeLibvirt()
        self.power = self.make(SshPower)
        self.management = self.make(SshManagement)

    def make(self, cls: type[SshInterface]) -> Any:
        made = cls(SETTINGS, self.libvirt)
        made.monotonic = self.clock
        return made

    def machine(self, name: str = "one", on: bool = False) -> FakeMachine:
        return self.libvirt.add(name, on)

    def task(self, **values: Any) -> Task:
        found: dict[str, Any] = {
            "uuid": "u",
            "driver": "pxe_ssh",
            "driver_info": INFO,
        }
        return Task(Node(**found | values))

    def run(self, progress: Any) -> list[float]:
        """Do long work; its pauses take no time."""
        pauses = []
        for pause in progress or ():
            pauses.append(pause.seconds)
            self.clock.now += pause.seconds
        return pauses


@pytest.fixture
def bench() -> Bench:
    return Bench()
