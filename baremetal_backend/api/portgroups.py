# SPDX-License-Identifier: Apache-2.0
"""``/v1/portgroups``: network cards that act as one."""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import node_ident, paging, wellformed
from baremetal_backend.api.call import Answer, Call, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.fields import (
    FLAG,
    LINE,
    MAC,
    NAME,
    NODE_UUID,
    OBJECT,
    UUID,
    Field,
    Fields,
    flag,
    lower,
    nullable,
)
from baremetal_backend.api.resource import Handlers, Resource, by_mac, by_node

DEFAULT_MODE = "active-backup"


def _name(value: Any, where: str) -> Any:
    if value == "detail" or wellformed.is_uuid(value):
        raise BadField(where, f"{wellformed.shown(value)} can't be a name")
    return value


FIELDS = Fields(
    (
        Field("uuid", 1, UUID, lower, patch=False, brief=True),
        Field("created_at"),
        Field("updated_at"),
        Field("address", 1, nullable(MAC), lower, brief=True),
        Field("extra", 1, OBJECT, empty={}),
        Field("internal_info"),
        Field("mode", 26, LINE, empty=DEFAULT_MODE),
        Field("name", 1, NAME, _name, brief=True),
        Field("node_uuid", 1, NODE_UUID, lower, needed=True),
        Field("properties", 26, OBJECT, empty={}),
        Field("standalone_ports_supported", 1, FLAG, flag, empty=True),
    )
)


def _prepare(call: Call, values: dict[str, Any], seen: Any) -> None:
    if "node_uuid" in values:
        values["node_uuid"] = node_ident.referred(
            call, values["node_uuid"], "node_uuid"
        )
    if seen is None:
        values.setdefault("mode", DEFAULT_MODE)
        values.setdefault("standalone_ports_supported", True)


PORTGROUP = Resource(
    kind="portgroup",
    plural="portgroups",
    path="portgroups",
    title="Portgroup",
    fields=FIELDS,
    filters={"node": by_node, "address": by_mac},
    belongings=(("ports", 24),),
    named=True,
    prepare=_prepare,
)

handlers = Handlers(PORTGROUP)


@takes("fields", "detail", "address", *paging.ARGUMENTS)
def of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/portgroups"""
    uuid = node_ident.uuid_of(call, node)
    return PORTGROUP.listed(call, PORTGROUP.asked(call) | {"node_uuid": uuid})
