# SPDX-License-Identifier: Apache-2.0
"""Jobs that a controller does by itself while the node waits."""

from __future__ import annotations

from typing import Any

from baremetal_backend.core.states import CLEANWAIT, DEPLOYWAIT, SERVICEWAIT
from baremetal_backend.drivers.base import WAIT, DriverTask, Interface, Wait
from baremetal_backend.drivers.periodics import Manager, node_periodic
from shelf_hardware import controller

# Where a node remembers its job. Nothing about a node is kept in memory:
# another conductor may go on with it.
KEY = "shelf_job"


class RunsJobs(Interface):
    """For interfaces with steps that are jobs."""

    def start_job(self, task: DriverTask, what: str, **args: Any) -> Wait:
        """Begin a job; what a step returns to let its node wait."""
        timeout = self.settings.option("shelf.timeout")
        body = {"what": what, **args}
        job = controller.call(task.node, "POST", "/jobs", timeout, body)
        note = {"interface": self.kind, "id": job["id"]}
        task.save(
            driver_internal_info={**task.node.driver_internal_info, KEY: note}
        )
        return WAIT

    @node_periodic(
        "look how far the jobs of shelves are",
        spacing="shelf.poll_interval",
        filters={
            "provision_state_in": (CLEANWAIT, DEPLOYWAIT, SERVICEWAIT),
            "reserved": False,
        },
        predicate=lambda row: KEY in row.driver_internal_info,
        predicate_extra_fields=("driver_internal_info",),
    )
    def poll(self, task: DriverTask, manager: Manager, context: Any) -> None:
        """Say when the node's job is over."""
        node = task.node
        note = node.driver_internal_info.get(KEY)
        if note is None or note["interface"] != self.kind:
            return
        timeout = self.settings.option("shelf.timeout")
        job = controller.call(node, "GET", f"/jobs/{note['id']}", timeout)
        if job["state"] == "running":
            return
        rest = dict(node.driver_internal_info)
        del rest[KEY]
        # Refused if somebody wrote the node since it was read: then the
        # next run looks again.
        node = task.save(driver_internal_info=rest)
        if job["state"] == "failed":
            manager.fail(node.uuid, job["error"], seen=node)
        else:
            manager.resume(node.uuid, seen=node)
