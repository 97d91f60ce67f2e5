# SPDX-License-Identifier: Apache-2.0
"""Interfaces for sites that have nothing to drive there.

The network interface remembers which VIFs a node has, so that Nova can attach,
list and detach them; nobody switches a cable or a VLAN. The deploy interface
writes no image: an instance is whatever is on the node's disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_backend.core.errors import (
    InvalidParameterValue,
    UnsupportedDriverExtension,
    VifAlreadyAttached,
    VifNotAttached,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import (
    BootInterface,
    ConsoleInterface,
    DeployInterface,
    DriverTask,
    ManagementInterface,
    NetworkInterface,
    Progress,
    StepProgress,
    StorageInterface,
    VendorInterface,
    deploy_step,
)
from baremetal_backend.drivers.remembered import remember

_KEY = "attached_vifs"


class NoopNetwork(NetworkInterface):
    """Keeps a list of VIFs in ``driver_internal_info``."""

    name = "noop"

    def vif_attach(self, task: DriverTask, vif: Mapping[str, Any]) -> Progress:
        """Add to the list. Errors: VifAlreadyAttached."""
        vif_id = vif.get("id")
        if not isinstance(vif_id, str) or not vif_id:
            raise InvalidParameterValue("A VIF to attach needs an id.")
        known = self.vif_list(task.node)
        if any(one["id"] == vif_id for one in known):
            raise VifAlreadyAttached(vif_id, task.node.uuid)
        remember(task, _KEY, [*known, dict(vif)])
        return None

    def vif_detach(self, task: DriverTask, vif_id: str) -> Progress:
        """Take off the list. Errors: VifNotAttached."""
        known = self.vif_list(task.node)
        rest = [one for one in known if one["id"] != vif_id]
        if len(rest) == len(known):
            raise VifNotAttached(vif_id, task.node.uuid)
        remember(task, _KEY, rest or None)
        return None

    def vif_list(self, node: Node) -> Sequence[Mapping[str, Any]]:
        """The list, oldest first."""
        vifs: Sequence[Mapping[str, Any]] = node.driver_internal_info.get(
            _KEY, []
        )
        return vifs

    def remove_tenant_networks(self, task: DriverTask) -> Progress:
        """Empty the list."""
        remember(task, _KEY, None)
        return None


class NoopStorage(StorageInterface):
    """Nodes with nothing but their own disks."""

    name = "noop"

    def attach_volumes(self, task: DriverTask) -> Progress:
        """Nothing to do."""
        return None

    def detach_volumes(self, task: DriverTask) -> Progress:
        """Nothing to do."""
        return None


class NoopDeploy(DeployInterface):
    """Nodes whose disks have on them what shall run."""

    name = "noop"

    @deploy_step(priority=100)
    def deploy(self, task: DriverTask) -> StepProgress:
        """Write nothing: the disk stays as it is."""
        return None

    def tear_down(self, task: DriverTask) -> Progress:
        """Erase nothing; the node is switched off already."""
        return None


class DiskBoot(BootInterface):
    """Boots what is on the disk, from now on."""

    name = "disk"

    def prepare_instance(self, task: DriverTask) -> Progress:
        """Set the disk as the boot device, for good."""
        return task.driver.management.set_boot_device(task, "disk", True)

    def clean_up_instance(self, task: DriverTask) -> Progress:
        """Nothing was made that could be undone."""
        return None


class NoopManagement(ManagementInterface):
    """Nodes that boot what their firmware finds, whatever is asked for."""

    name = "noop"

    _DEVICES = ("pxe", "disk", "cdrom")

    def boot_devices(self, node: Node) -> Sequence[str]:
        """What is taken, without any effect."""
        return self._DEVICES

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        """Nobody knows."""
        return None, None

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Progress:
        """Change nothing. Errors: InvalidParameterValue."""
        if device not in self._DEVICES:
            raise InvalidParameterValue(
                f"Invalid boot device {device} specified; choose one of: "
                f"{', '.join(self._DEVICES)}."
            )
        return None


class NoConsole(ConsoleInterface):
    """Nodes without a console."""

    name = "no-console"

    def validate(self, node: Node) -> None:
        """Say that there is none."""
        raise UnsupportedDriverExtension(node.driver, "console")

    def start_console(self, task: DriverTask) -> Progress:
        """Refuse."""
        raise UnsupportedDriverExtension(task.node.driver, "console")

    def stop_console(self, task: DriverTask) -> Progress:
        """Refuse."""
        raise UnsupportedDriverExtension(task.node.driver, "console")

    def get_console(self, node: Node) -> Mapping[str, Any]:
        """Refuse."""
        raise UnsupportedDriverExtension(node.driver, "console")


class NoVendor(VendorInterface):
    """Nothing beyond the other interfaces."""

    name = "no-vendor"
