# SPDX-License-Identifier: Apache-2.0
"""Nodes come, change and go, as their operators say."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.edits import check_removal, edited
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    NodeChanged,
    NodeNotFound,
)
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.core.states import AVAILABLE, ENROLL
from baremetal_backend.rpc.interface import UpdateOptions
from baremetal_backend.storage import Lost

_INTERFACE_FIELDS = tuple(f"{kind}_interface" for kind in INTERFACES)

# The second one is what clients before version 1.11 expect.
_FIRST_STATES = (ENROLL, AVAILABLE)

_ATTEMPTS = 10


class Enrolment(Part):
    """Creates, changes and removes nodes."""

    def create_node(self, values: Mapping[str, Any]) -> Node:
        """See ``rpc.interface.Conductor``."""
        driver = values.get("driver")
        if not isinstance(driver, str) or not driver:
            raise InvalidParameterValue("driver: a node needs one.")
        group = str(values.get("conductor_group") or "").lower()
        asked = {name: values.get(name) for name in _INTERFACE_FIELDS}
        chosen = self._context.registry.choose(driver, group, asked)
        complete = {
            **values,
            **chosen,
            "uuid": values.get("uuid") or str(uuid.uuid4()),
            "conductor_group": group,
            "traits": tuple(values.get("traits") or ()),
            "provision_state": values.get("provision_state", ENROLL),
        }
        if complete["provision_state"] not in _FIRST_STATES:
            raise InvalidParameterValue(
                f"provision_state: a new node is {' or '.join(_FIRST_STATES)}."
            )
        self._check_parent(values.get("parent_node"))
        try:
            node = Node(**complete)
        except TypeError as error:
            raise InvalidParameterValue(str(error)) from error
        event = self._context.tasks.event(
            node, "provisioning", f'enrolled as "{node.provision_state}"'
        )
        return self._context.storage.nodes.create(node, event)

    def update_node(
        self,
        node_id: str,
        changes: Mapping[str, Any],
        seen_version: int,
        options: UpdateOptions = UpdateOptions(),  # noqa: B008 - immutable
    ) -> Node:
        """See ``rpc.interface.Conductor``."""
        for node in self._context.tasks.attempts(node_id):
            if node.version != seen_version:
                raise NodeChanged(f"Node {node.uuid}")
            real = edited(node, self._with_interfaces(node, changes, options))
            if not real:
                return node
            self._check_parent(real.get("parent_node"))
            if node.reservation is not None:
                continue
            result = self._context.storage.nodes.change(
                node.uuid, real, seen_version=seen_version, unreserved=True
            )
            if not isinstance(result, Lost):
                return result.record
        raise AssertionError("unreachable")  # pragma: no cover

    def destroy_node(self, node_id: str) -> None:
        """See ``rpc.interface.Conductor``."""
        available_too = (
            self._context.settings.conductor.allow_deleting_available_nodes
        )
        for node in self._context.tasks.attempts(node_id):
            check_removal(node, available_too)
            if node.reservation is not None:
                continue
            result = self._context.storage.nodes.delete(
                node.uuid, node.version
            )
            if not isinstance(result, Lost):
                return

    def set_node_maintenance(
        self, node_id: str, maintenance: bool, reason: str | None = None
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        # A person who says so has the last word: without the fault, no answer
        # of the hardware ends a maintenance that was asked for.
        changes = {
            "maintenance": maintenance,
            "maintenance_reason": reason if maintenance else None,
            "fault": None,
        }
        sentence = "taken out of maintenance"
        if maintenance:
            sentence = f"put into maintenance: {reason or 'no reason given'}"
        node = self._context.storage.nodes.get(node_id)
        for _ in range(_ATTEMPTS):
            result = self._context.storage.nodes.change(
                node.uuid,
                changes,
                seen_version=node.version,
                event=self._context.tasks.event(node, "maintenance", sentence),
            )
            if not isinstance(result, Lost):
                return
            node = result.current
        raise NodeChanged(f"Node {node.uuid}")

    def _with_interfaces(
        self, node: Node, changes: Mapping[str, Any], options: UpdateOptions
    ) -> Mapping[str, Any]:
        touched = {"driver", *_INTERFACE_FIELDS} & changes.keys()
        if not touched and not options.reset_interfaces:
            return changes
        asked: dict[str, str | None] = {}
        for name in _INTERFACE_FIELDS:
            if name in options.named_interfaces:
                asked[name] = changes.get(name)
            elif not options.reset_interfaces:
                asked[name] = changes.get(name, getattr(node, name))
        chosen = self._context.registry.choose(
            changes.get("driver", node.driver), node.conductor_group, asked
        )
        return {**changes, **chosen}

    def _check_parent(self, parent: str | None) -> None:
        if parent is None:
            return
        try:
            self._context.storage.nodes.get(parent)
        except NodeNotFound as error:
            raise InvalidParameterValue(
                f"parent_node: {error.message}"
            ) from error
