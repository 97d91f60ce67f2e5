# SPDX-License-Identifier: Apache-2.0
"""Images onto slots, and what slots boot."""

from __future__ import annotations

from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import DriverTask, Progress, StepProgress
from shelf_hardware import controller
from shelf_hardware.jobs import RunsJobs


class ShelfDeploy(RunsJobs, base.DeployInterface):
    """Lets the controller write the image."""

    name = "shelf"

    def validate(self, node: Node) -> None:
        controller.validate(node)
        if not node.instance_info.get("image_source"):
            raise HardwareRefused("instance_info/image_source is missing.")

    def deploy(self, task: DriverTask) -> StepProgress:
        image = task.node.instance_info["image_source"]
        return self.start_job(task, "write", image=image)

    def tear_down(self, task: DriverTask) -> Progress:
        # Cleaning erases the disks.
        return None


class ShelfBoot(base.BootInterface):
    """Boots instances from the disk."""

    name = "shelf"

    def prepare_instance(self, task: DriverTask) -> Progress:
        return task.driver.management.set_boot_device(task, "disk", True)

    def clean_up_instance(self, task: DriverTask) -> Progress:
        return task.driver.management.set_boot_device(task, "pxe", True)
