# SPDX-License-Identifier: Apache-2.0
"""Boot device, steps, and a look at the temperatures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from baremetal_backend.core.errors import BackendError, HardwareFailed
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    DriverTask,
    Progress,
    StepProgress,
    clean_step,
    service_step,
    verify_step,
)
from baremetal_backend.drivers.periodics import Manager, driver_periodic_task
from shelf_hardware import controller
from shelf_hardware.jobs import RunsJobs

LOG = logging.getLogger(__name__)

_VERSION = {"version": {"description": "Which one.", "required": True}}


class ShelfManagement(RunsJobs, base.ManagementInterface):
    """What the controller can do beside switching."""

    name = "shelf"

    def validate(self, node: Node) -> None:
        controller.validate(node)

    def boot_devices(self, node: Node) -> Sequence[str]:
        return ("disk", "pxe")

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        return self._call(node, "GET")["boot"], True

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Progress:
        self._call(task.node, "PUT", {"boot": device})
        return None

    @verify_step(priority=10)
    def check_slot(self, task: DriverTask) -> StepProgress:
        """Refuse a slot with nothing in it."""
        if not self._call(task.node, "GET")["serial"]:
            raise HardwareFailed("The slot is empty.")
        return None

    @clean_step(priority=20, abortable=True)
    def erase(self, task: DriverTask) -> StepProgress:
        """Overwrite the disks; the controller does it by itself."""
        return self.start_job(task, "erase")

    @clean_step(argsinfo=_VERSION)
    @service_step(argsinfo=_VERSION)
    def update_firmware(self, task: DriverTask, version: str) -> StepProgress:
        """Write another firmware."""
        return self.start_job(task, "update", version=version)

    @driver_periodic_task(
        spacing="shelf.temperature_interval",
        enabled="shelf.watch_temperature",
    )
    def watch_temperature(self, manager: Manager, context: Any) -> None:
        """Warn of slots that are hot."""
        for row in manager.nodes(interface=self, fields=("driver_info",)):
            try:
                controller.validate(row)
                celsius = self._call(row, "GET")["celsius"]
            except BackendError as error:
                # One node that does not answer must not hide the others.
                LOG.debug("Node %s: %s", row.uuid, error)
                continue
            if celsius > 80:
                LOG.warning("Node %s: %s degrees.", row.uuid, celsius)

    def _call(self, node: Node, method: str, body: Any = None) -> Any:
        timeout = self.settings.option("shelf.timeout")
        return controller.call(node, method, "", timeout, body)
