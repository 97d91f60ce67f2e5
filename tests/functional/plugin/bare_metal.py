# SPDX-License-Identifier: Apache-2.0
"""Nodes of the bare metal service, as an operator handles them.

Over openstacksdk only. Node uuids are derived from names, so that a run of a
test meets the same ring as the run before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import openstack

DRIVER = "fake-hardware"
RESOURCE_CLASS = "baremetal"
WAIT_SECONDS = 60
_CLEANUP_FIELDS = ("uuid", "provision_state", "instance_uuid")
_DELETABLE = ("enroll", "manageable", "available")
_NAMES = uuid.UUID("6f2d6b6a-7c4f-4c69-9a35-5f4f1b0f8d11")
#: With this draw c1 and c2 own one of the first four nodes each and c3 two,
#: of which each of the others inherits one; a c4 takes one.
_DRAW = 75


def node_id(number: int) -> str:
    """The uuid of the node with this number."""
    return str(uuid.uuid5(_NAMES, f"node-{_DRAW}-{number}"))


class BareMetal:
    """An operator's connection, and the nodes that it has enrolled."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api: Any = openstack.connect(
            load_envvars=False,
            load_yaml_config=False,
            auth_type="none",
            baremetal_endpoint_override=url,
        ).baremetal
        self._enrolled: list[str] = []

    def enrol(
        self,
        count: int,
        group: str = "",
        *,
        available: bool = False,
        **values: Any,
    ) -> list[str]:
        """Create nodes and return their uuids.

        :param group: their conductor group.
        :param available: bring them into provision state ``available``, so
            that servers can be placed there. Ownership does not need it.
        """
        start = len(self._enrolled)
        created = []
        for number in range(start, start + count):
            node = self.api.create_node(
                id=node_id(number),
                conductor_group=group,
                resource_class=RESOURCE_CLASS,
                properties={
                    "cpus": 8,
                    "memory_mb": 16384,
                    "local_gb": 100,
                    "cpu_arch": "x86_64",
                },
                **{"driver": DRIVER, **values},
            )
            self._enrolled.append(node.id)
            created.append(node.id)
        if available:
            self._bring(created, "manage", "manageable")
            self._bring(created, "provide", "available")
        return created

    def _bring(self, nodes: Iterable[str], verb: str, state: str) -> None:
        nodes = list(nodes)
        for node in nodes:
            self.api.set_node_provision_state(node, verb)
        self.api.wait_for_nodes_provision_state(
            nodes, state, timeout=WAIT_SECONDS
        )

    def node(self, node: str) -> Any:
        """All that the service knows of a node, fresh."""
        return self.api.get_node(node)

    def move_to_group(self, node: str, group: str) -> None:
        """Change a node's conductor group."""
        self.api.update_node(node, conductor_group=group)

    def delete(self, *nodes: str) -> None:
        """Delete nodes; missing ones are no error."""
        for node in nodes:
            self.api.delete_node(node, ignore_missing=True)

    def remove_all(self) -> None:
        """Delete all enrolled nodes, whatever state they are in."""
        for node in list(self.api.nodes(fields=_CLEANUP_FIELDS)):
            if node.id in self._enrolled:
                self._free(node)
                self.api.delete_node(node.id, ignore_missing=True)
        self._enrolled.clear()

    def _free(self, node: Any) -> None:
        if node.provision_state in _DELETABLE:
            if node.instance_id:
                self.api.update_node(node.id, instance_id=None)
            return
        self.api.set_node_provision_state(node.id, "deleted")
        self.api.wait_for_nodes_provision_state(
            [node.id], "available", timeout=WAIT_SECONDS
        )
