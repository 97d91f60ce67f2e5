# SPDX-License-Identifier: Apache-2.0
"""Management interface ``ssh``: boot device and interrupt.

The device for all boots is a part of the machine's definition; the one for
the next boot is remembered until then (``boot_once``).
"""

from __future__ import annotations

from collections.abc import Sequence

from baremetal_backend.core.errors import (
    HardwareRefused,
    InvalidParameterValue,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import DriverTask, Progress
from baremetal_backend.drivers.ssh import boot_once, boot_order
from baremetal_backend.drivers.ssh.interface import SshInterface


class SshManagement(SshInterface, base.ManagementInterface):
    """What virsh does beside switching."""

    def boot_devices(self, node: Node) -> Sequence[str]:
        """What a definition can name."""
        return tuple(boot_order.DEVICES)

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        """The one for the next boot, if there is one; else for all.

        Errors: HardwareFailed.
        """
        device = boot_once.waiting(node)
        if device is not None:
            return device, False
        with self.machine(node) as machine:
            first = boot_once.always(node, machine)
        return (None, None) if first is None else (first, True)

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Progress:
        """Change the definition, or remember the device for the next boot.

        Errors: InvalidParameterValue, HardwareRefused, HardwareFailed.
        """
        if device not in boot_order.DEVICES:
            raise InvalidParameterValue(
                f"Invalid boot device {device} specified; choose one of: "
                f"{', '.join(boot_order.DEVICES)}."
            )
        if not persistent and task.node.disable_power_off:
            raise HardwareRefused(
                "A virtual machine takes a boot device for one boot when it "
                "is switched on, and this one is never off "
                "(disable_power_off); set the device for good."
            )
        if persistent:
            self._set_for_good(task, device)
        else:
            if boot_once.is_begun(task.node):
                with self.machine(task.node) as machine:
                    boot_once.put_back(task, machine)
            boot_once.want(task, device)
        return None

    def _set_for_good(self, task: DriverTask, device: str) -> None:
        with self.machine(task.node) as machine:
            boot_once.put_back(task, machine)
            boot_once.for_good(machine, device)
        boot_once.forget(task)

    def inject_nmi(self, task: DriverTask) -> Progress:
        """Once: two interrupts are not one. Errors: HardwareFailed."""
        with self.machine(task.node) as machine:
            machine.inject_nmi()
        return None


__all__ = ["SshManagement"]
