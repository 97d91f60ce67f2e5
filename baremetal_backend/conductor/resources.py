# SPDX-License-Identifier: Apache-2.0
"""Ports, port groups, volumes and chassis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    NodeChanged,
    NotFound,
)
from baremetal_backend.core.records import ResourceKind
from baremetal_backend.storage import Lost


class Resources(Part):
    """Creates, changes and removes what belongs to nodes."""

    def create_resource(
        self, kind: ResourceKind, values: Mapping[str, Any]
    ) -> Any:
        """See ``rpc.interface.Conductor``."""
        complete = _normalised(values)
        self._check_references(complete.get("node_uuid"), complete)
        return self._context.storage.resources(kind).create(complete)

    def update_resource(
        self,
        kind: ResourceKind,
        uuid: str,
        changes: Mapping[str, Any],
        seen_version: int,
    ) -> Any:
        """See ``rpc.interface.Conductor``."""
        collection = self._context.storage.resources(kind)
        current = collection.get(uuid)
        real = _normalised(changes)
        node = real.get("node_uuid") or getattr(current, "node_uuid", None)
        self._check_references(node, real)
        result = collection.change(current.uuid, real, seen_version)
        if isinstance(result, Lost):
            raise NodeChanged(f"{kind.replace('_', ' ').capitalize()} {uuid}")
        return result.record

    def destroy_resource(self, kind: ResourceKind, uuid: str) -> None:
        """See ``rpc.interface.Conductor``."""
        collection = self._context.storage.resources(kind)
        collection.delete(collection.get(uuid).uuid)

    def _check_references(
        self, node_uuid: str | None, values: Mapping[str, Any]
    ) -> None:
        storage = self._context.storage
        try:
            if values.get("node_uuid") is not None:
                storage.nodes.get(values["node_uuid"])
            if values.get("portgroup_uuid") is None:
                return
            group = storage.portgroups.get(values["portgroup_uuid"])
        except NotFound as error:
            raise InvalidParameterValue(error.message) from error
        if group.node_uuid != node_uuid:
            raise InvalidParameterValue(
                f"portgroup_uuid: {group.uuid} belongs to another node."
            )


def _normalised(values: Mapping[str, Any]) -> dict[str, Any]:
    real = dict(values)
    if isinstance(address := real.get("address"), str):
        real["address"] = address.lower()
    return real
