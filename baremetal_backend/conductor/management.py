# SPDX-License-Identifier: Apache-2.0
"""Calls that a client waits for: VIFs, boot device, console, and the like.

Reading takes no lock. Writing has the node for the time of the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.loader import Driver
from baremetal_backend.rpc.interface import BootDevice, Console

_BOOT_MODES = ("uefi", "bios")


class Management(Part):
    """Short calls on one node."""

    def vif_attach(self, node_id: str, vif: Mapping[str, Any]) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "vif_attach") as task:
            self._block(task.driver.network.vif_attach(task, vif))

    def vif_detach(self, node_id: str, vif_id: str) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "vif_detach") as task:
            self._block(task.driver.network.vif_detach(task, vif_id))

    def vif_list(self, node_id: str) -> Sequence[Mapping[str, Any]]:
        """See ``rpc.interface.Conductor``."""
        node, driver = self._read(node_id)
        return driver.network.vif_list(node)

    def get_boot_device(self, node_id: str) -> BootDevice:
        """See ``rpc.interface.Conductor``."""
        node, driver = self._read(node_id)
        return BootDevice(*driver.management.get_boot_device(node))

    def set_boot_device(
        self, node_id: str, device: str, persistent: bool = False
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "set_boot_device") as task:
            management = task.driver.management
            self._block(management.set_boot_device(task, device, persistent))

    def get_supported_boot_devices(self, node_id: str) -> Sequence[str]:
        """See ``rpc.interface.Conductor``."""
        node, driver = self._read(node_id)
        return driver.management.boot_devices(node)

    def inject_nmi(self, node_id: str) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "inject_nmi") as task:
            self._block(task.driver.management.inject_nmi(task))

    def set_boot_mode(self, node_id: str, target: str) -> None:
        """See ``rpc.interface.Conductor``."""
        if target not in _BOOT_MODES:
            raise InvalidParameterValue(
                f'Invalid boot mode "{target}"; choose one of: '
                f"{', '.join(_BOOT_MODES)}."
            )
        with self._context.tasks.exclusive(node_id, "set_boot_mode") as task:
            self._block(task.driver.management.set_boot_mode(task, target))
            task.save(boot_mode=target)

    def set_secure_boot(self, node_id: str, target: bool) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "set_secure_boot") as task:
            self._block(task.driver.management.set_secure_boot(task, target))
            task.save(secure_boot=target)

    def set_target_raid_config(
        self, node_id: str, config: Mapping[str, Any]
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "set_raid") as task:
            task.save(target_raid_config=dict(config))

    def get_console_information(self, node_id: str) -> Console:
        """See ``rpc.interface.Conductor``."""
        node, driver = self._read(node_id)
        console = driver.console
        console.validate(node)
        if not node.console_enabled:
            return Console(False, None)
        return Console(True, console.get_console(node))

    def set_console_mode(self, node_id: str, enabled: bool) -> None:
        """See ``rpc.interface.Conductor``."""
        with self._context.tasks.exclusive(node_id, "console") as task:
            console = task.driver.console
            console.validate(task.node)
            if enabled == task.node.console_enabled:
                return
            switch = console.start_console if enabled else console.stop_console
            self._block(switch(task))
            task.save(console_enabled=enabled)

    def _read(self, node_id: str) -> tuple[Node, Driver]:
        node = self._context.storage.nodes.get(node_id)
        return node, self._context.registry.driver(node)
