# SPDX-License-Identifier: Apache-2.0
"""Inspect interface ``discoverd``: a service inspects nodes from within.

A table of contents. ``inspect_hardware`` asks the service for nothing: it
writes the attempt down and returns, so that the node is given back before the
service, which needs it, hears of it.
"""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import DiscoverdDisabled
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import WAIT, DriverTask, Wait
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd import properties
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.polling import Polling
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.drivers.periodics import Manager, driver_periodic_task
from baremetal_backend.drivers.remembered import remember

# Seconds after an abort, by which the node shows it.
_ABORTED = 2.0


class DiscoverdInspect(base.InspectInterface):
    """Lets ironic-discoverd's successors inspect a node."""

    name = "discoverd"
    aliases = ("inspector",)
    needs = (InspectionEquipment,)

    def __init__(
        self, settings: Settings, equipment: InspectionEquipment
    ) -> None:
        super().__init__(settings, equipment)
        self._equipment = equipment
        self._polling = Polling(equipment, (self.name, *self.aliases))

    def reload(self, settings: Settings) -> None:
        """Periods may change; address and access don't."""
        super().reload(settings)
        self._equipment.reload(settings)

    def validate(self, node: Node) -> None:
        """Errors: DiscoverdDisabled."""
        if not self.settings.discoverd.enabled:
            raise DiscoverdDisabled(self.settings.host)

    def inspect_hardware(self, task: DriverTask) -> Wait:
        """Begin an attempt; the service is asked as soon as the node waits.

        Errors: DiscoverdDisabled.
        """
        node = task.node
        self.validate(node)
        task.save(**attempts.written(node, self._attempt(node)))
        self._equipment.mark_due(node.uuid)
        return WAIT

    def _attempt(self, node: Node) -> Attempt:
        kept: dict[str, Any] = {}
        owed: dict[str, Any] = {}
        if not self.settings.discoverd.overwrite_existing:
            kept = properties.kept(node.properties)
            earlier = attempts.at(node)
            if earlier is not None:
                asked = earlier.kept if earlier.asked else {}
                owed = {**asked, **earlier.owed}
        return Attempt(str(uuid.uuid4()), kept, owed=owed)

    def continue_inspection(self, task: DriverTask) -> None:
        """The attempt is over."""
        remember(task, attempts.KEY, None)

    def abort(self, node: Node) -> None:
        """Tell the service. Errors: ServiceError.

        Whatever comes of it, the service is looked at again afterwards.
        """
        attempt = attempts.at(node)
        if attempt is None:
            return
        self._equipment.mark_due(node.uuid, _ABORTED)
        if attempt.asked:
            self._equipment.service.abort(node.uuid)

    @driver_periodic_task(1.0, enabled="discoverd.enabled")
    def look_at_due_nodes(self, manager: Manager, context: Any) -> None:
        """Go on with the nodes for which it is time; no other costs it."""
        self._polling.tick(manager)

    @driver_periodic_task(
        "discoverd.status_check_period",
        enabled="discoverd.enabled",
        run_immediately=True,
    )
    def poll(self, manager: Manager, context: Any) -> None:
        """Follow all inspections of this conductor's nodes."""
        self._polling.poll(self, manager)


__all__ = ["DiscoverdInspect"]
