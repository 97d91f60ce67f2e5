# SPDX-License-Identifier: Apache-2.0
"""What the interfaces share that reach a virtual machine over SSH."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.records import Json, Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.ssh import driver_info, key_file
from baremetal_backend.drivers.ssh.client import SshClient
from baremetal_backend.drivers.ssh.driver_info import Access
from baremetal_backend.drivers.ssh.ports import Client
from baremetal_backend.drivers.ssh.virsh import Hypervisor, Machine


class SshInterface(base.Interface):
    """Works on the machine of the node that it is called for."""

    name = "ssh"
    needs: ClassVar[tuple[type[base.Equipment], ...]] = (SshClient,)

    #: Monotonic seconds.
    monotonic = staticmethod(time.monotonic)

    def __init__(self, settings: Settings, client: Client) -> None:
        super().__init__(settings, client)
        self.client = client
        self.read_file = key_file.reader(settings.ssh.key_directory)
        # To read a private key takes milliseconds: what the same data meant
        # is remembered. Each entry is replaced whole; by all threads.
        self._accesses: dict[str, tuple[Json, Access]] = {}

    def properties(self) -> Mapping[str, str]:
        """All fields of a virtual machine."""
        return driver_info.PROPERTIES

    def validate(self, node: Node) -> None:
        """Errors: HardwareRefused that names the field."""
        self.access(node)

    def forget(self, node: Node) -> None:
        """Nothing is open; what its data meant is forgotten."""
        self._accesses.pop(node.uuid, None)

    def access(self, node: Node) -> Access:
        """How to reach the node's machine. Errors: HardwareRefused."""
        info = node.driver_info
        known = self._accesses.get(node.uuid)
        if known is not None and known[0] == info:
            return known[1]
        found = driver_info.read(info, self.read_file)
        # What a file says may change without the node.
        if "ssh_key_filename" not in info:
            self._accesses[node.uuid] = (info, found)
        return found

    @contextmanager
    def machine(self, node: Node) -> Iterator[Machine]:
        """The node's machine, for as long as the block lasts.

        Errors: HardwareRefused, SshError.
        """
        access = self.access(node)
        with self.client.session(access.host) as session:
            hypervisor = Hypervisor(
                session,
                access.host.where,
                access.uri,
                self.settings.ssh.command_timeout,
            )
            yield hypervisor.machine(access.machine)


__all__ = ["SshInterface"]
