# SPDX-License-Identifier: Apache-2.0
"""Switches slots."""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import DriverTask, Pause, Progress, Steps
from shelf_hardware import controller


class ShelfPower(base.PowerInterface):
    """Switches, and waits until the slot shows it."""

    name = "shelf"

    def properties(self) -> Mapping[str, str]:
        return controller.PROPERTIES

    def validate(self, node: Node) -> None:
        controller.validate(node)

    def verify(self, task: DriverTask) -> Progress:
        # First contact: whatever this raises says why the node can't be
        # managed.
        self.get_power_state(task.node)
        return None

    def get_power_state(self, node: Node) -> str:
        timeout = self.settings.option("shelf.timeout")
        state = controller.call(node, "GET", "", timeout)["power"]
        return base.POWER_ON if state == "on" else base.POWER_OFF

    def set_power_state(self, task: DriverTask, state: str) -> Steps[None]:
        timeout = self.settings.option("shelf.timeout")
        word = "on" if state == base.POWER_ON else "off"
        controller.call(task.node, "PUT", "", timeout, {"power": word})
        for _ in range(30):
            if self.get_power_state(task.node) == state:
                return
            # No thread is held while it sleeps.
            yield Pause(0.5)
        raise HardwareFailed(f"The slot did not reach {state} in time.")
