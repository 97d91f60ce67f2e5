# SPDX-License-Identifier: Apache-2.0
"""``/v1/ports``: network cards of nodes."""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import node_ident, paging
from baremetal_backend.api.call import Answer, Call, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.fields import (
    FLAG,
    MAC,
    NAME,
    OBJECT,
    UUID,
    Field,
    Fields,
    flag,
    line,
    lower,
)
from baremetal_backend.api.resource import Handlers, Resource, by_mac, by_node
from baremetal_backend.core.errors import InvalidParameterValue, NotFound

#: One switch port; upstream knows these keys.
_LINK = {
    "type": ["object", "null"],
    "properties": {
        "switch_id": {"type": ["string", "null"], "maxLength": 255},
        "port_id": {"type": ["string", "null"], "maxLength": 255},
        "switch_info": {"type": ["string", "object", "null"]},
        "hostname": {"type": ["string", "null"], "maxLength": 255},
        "network_type": {"enum": ["managed", "unmanaged"]},
        "vtep-logical-switch": {"type": ["string", "null"]},
        "vtep-physical-switch": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}

FIELDS = Fields(
    (
        Field("uuid", 1, UUID, lower, patch=False, brief=True),
        Field("created_at"),
        Field("updated_at"),
        Field("address", 1, MAC, lower, needed=True, brief=True),
        Field("extra", 1, OBJECT, empty={}),
        Field("internal_info", 18),
        Field("is_smartnic", 53, FLAG, flag, empty=False),
        Field("local_link_connection", 19, _LINK, empty={}),
        Field("name", 88, NAME),
        # A uuid; a name since 1.94.
        Field("node_uuid", 1, {**NAME, "type": "string"}, needed=True),
        Field("physical_network", 34, line(64, 1)),
        Field("portgroup_uuid", 24, UUID, lower),
        Field("pxe_enabled", 19, FLAG, flag, empty=True),
    )
)


def _prepare(call: Call, values: dict[str, Any], seen: Any) -> None:
    if "node_uuid" in values:
        ident = values["node_uuid"]
        values["node_uuid"] = node_ident.referred(call, ident, "node_uuid")
        if call.version < 94 and values["node_uuid"] != ident.lower():
            raise BadField("node_uuid", "expected a UUID")
        if seen is not None and values["node_uuid"] == seen.node_uuid:
            del values["node_uuid"]
    _check_portgroup(call, values, seen)
    if seen is None:
        values.setdefault("pxe_enabled", True)


def _check_portgroup(call: Call, values: dict[str, Any], seen: Any) -> None:
    group = values.get("portgroup_uuid")
    if group is None:
        return
    try:
        found = call.storage.portgroups.get(group)
    except NotFound as error:
        raise InvalidParameterValue(
            f"portgroup_uuid: {error.message}"
        ) from error
    node = values.get("node_uuid") or (seen and seen.node_uuid)
    if found.node_uuid != node:
        raise BadField("portgroup_uuid", "belongs to another node")


PORT = Resource(
    kind="port",
    plural="ports",
    path="ports",
    title="Port",
    fields=FIELDS,
    filters={"node": by_node, "node_uuid": by_node, "address": by_mac},
    named=True,
    prepare=_prepare,
)

handlers = Handlers(PORT)


@takes("fields", "detail", "address", *paging.ARGUMENTS)
def of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/ports"""
    uuid = node_ident.uuid_of(call, node)
    return PORT.listed(call, PORT.asked(call) | {"node_uuid": uuid})


@takes("fields", "detail", "address", *paging.ARGUMENTS)
def of_portgroup(call: Call, ident: str) -> Answer:
    """GET /v1/portgroups/{ident}/ports"""
    from baremetal_backend.api.portgroups import PORTGROUP

    uuid = call.storage.portgroups.get(PORTGROUP.ident(call, ident)).uuid
    return PORT.listed(call, PORT.asked(call) | {"portgroup_uuid": uuid})
