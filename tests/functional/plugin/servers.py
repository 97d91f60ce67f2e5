# SPDX-License-Identifier: Apache-2.0
"""A user who orders servers, and an operator who sees their nodes."""

from __future__ import annotations

import dataclasses
from typing import Any

from lab.faulty_proxy import FaultyProxy
from lab.waiting import wait_for
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.nova_in_process import Nova

IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Cloud:
    """Computes with free nodes, and the flavor of such a node."""

    nova: Nova
    bare_metal: BareMetal
    proxy: FaultyProxy
    flavor: str

    def boot(self, **values: Any) -> dict[str, Any]:
        """Ask for a server; it may not be there yet."""
        asked = {
            "name": "server",
            "imageRef": IMAGE,
            "flavorRef": self.flavor,
            "networks": "none",
            **values,
        }
        created: dict[str, Any]
        created = self.nova.case.api.post_server({"server": asked})
        return created

    def server(self, server: dict[str, Any]) -> dict[str, Any]:
        """What the API says of a server now."""
        found: dict[str, Any] = self.nova.case.api.get_server(server["id"])
        return found

    def wait(self, server: dict[str, Any], status: str) -> dict[str, Any]:
        """Wait until a server has a status and nothing is under way."""

        def reached() -> dict[str, Any] | None:
            now = self.server(server)
            if status != "ERROR" and now["status"] == "ERROR":
                raise AssertionError(now.get("fault"))
            idle = now["OS-EXT-STS:task_state"] is None
            return now if idle and now["status"] == status else None

        return wait_for(reached, SECONDS, f"status {status}", every=0.1)

    def act(self, server: dict[str, Any], **action: Any) -> None:
        """Post a server action."""
        self.nova.case.api.post_server_action(server["id"], action)

    def delete(self, server: dict[str, Any]) -> None:
        """Delete a server and wait until its node is free again."""
        nodes = self.bare_metal.api.nodes(
            fields=("uuid",), instance_id=server["id"]
        )
        used = [node.id for node in nodes]
        self.nova.case.api.delete_server(server["id"])

        def gone() -> bool:
            servers = self.nova.case.api.get_servers(detail=False)
            return server["id"] not in {found["id"] for found in servers}

        wait_for(gone, SECONDS, "end of the server", every=0.1)
        self.bare_metal.api.wait_for_nodes_provision_state(
            used, "available", timeout=SECONDS
        )
        # Or the scheduler would not know.
        self.nova.run()

    def node_of(self, server: dict[str, Any]) -> Any:
        """The node that carries the server, by the bare metal service."""
        (node,) = self.bare_metal.api.nodes(
            details=True, instance_id=server["id"]
        )
        return node


def bare_metal_flavor(nova: Nova) -> str:
    """Create the flavor of one node, taken as a whole; its id."""
    created: str = nova.case._create_flavor(
        extra_spec={
            "resources:CUSTOM_BAREMETAL": "1",
            "resources:VCPU": "0",
            "resources:MEMORY_MB": "0",
            "resources:DISK_GB": "0",
        }
    )
    return created
