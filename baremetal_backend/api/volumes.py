# SPDX-License-Identifier: Apache-2.0
"""``/v1/volume``: connectors and targets of nodes."""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import links, node_ident, paging
from baremetal_backend.api.call import Answer, Call, answer, takes
from baremetal_backend.api.fields import (
    NODE_UUID,
    OBJECT,
    UUID,
    Field,
    Fields,
    line,
    lower,
)
from baremetal_backend.api.resource import Handlers, Resource, by_node


def _text(length: int) -> dict[str, Any]:
    return {**line(length, 1), "type": "string"}


_COMMON = (
    Field("uuid", 1, UUID, lower, patch=False, brief=True),
    Field("created_at"),
    Field("updated_at"),
)
_EXTRA = Field("extra", 1, OBJECT, empty={})
_NODE = Field("node_uuid", 1, NODE_UUID, lower, needed=True, brief=True)

CONNECTOR_FIELDS = Fields(
    (
        *_COMMON,
        Field("connector_id", 1, _text(255), needed=True, brief=True),
        _EXTRA,
        Field("type", 1, _text(32), needed=True, brief=True),
        _NODE,
    )
)

TARGET_FIELDS = Fields(
    (
        *_COMMON,
        Field(
            "boot_index",
            1,
            {"type": "integer", "minimum": 0, "maximum": 2147483647},
            needed=True,
            brief=True,
        ),
        _EXTRA,
        Field("properties", 1, OBJECT, empty={}),
        Field("volume_id", 1, _text(36), needed=True, brief=True),
        Field("volume_type", 1, _text(64), needed=True, brief=True),
        _NODE,
    )
)


def _prepare(call: Call, values: dict[str, Any], _seen: Any) -> None:
    if "node_uuid" in values:
        values["node_uuid"] = node_ident.referred(
            call, values["node_uuid"], "node_uuid"
        )


CONNECTOR = Resource(
    kind="volume_connector",
    plural="connectors",
    path="volume/connectors",
    title="Volume connector",
    fields=CONNECTOR_FIELDS,
    filters={"node": by_node},
    prepare=_prepare,
)
TARGET = Resource(
    kind="volume_target",
    plural="targets",
    path="volume/targets",
    title="Volume target",
    fields=TARGET_FIELDS,
    filters={"node": by_node},
    prepare=_prepare,
)

connectors = Handlers(CONNECTOR)
targets = Handlers(TARGET)


def index(call: Call) -> Answer:
    """GET /v1/volume"""
    return _index(call, "volume")


def index_of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/volume"""
    uuid = node_ident.uuid_of(call, node)
    return _index(call, f"nodes/{uuid}/volume")


def _index(call: Call, path: str) -> Answer:
    return answer(
        {
            "links": links.pair(call.base, f"{path}/"),
            "connectors": links.pair(call.base, f"{path}/connectors"),
            "targets": links.pair(call.base, f"{path}/targets"),
        }
    )


@takes("fields", "detail", *paging.ARGUMENTS)
def connectors_of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/volume/connectors"""
    return CONNECTOR.listed(
        call, {"node_uuid": node_ident.uuid_of(call, node)}
    )


@takes("fields", "detail", *paging.ARGUMENTS)
def targets_of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/volume/targets"""
    return TARGET.listed(call, {"node_uuid": node_ident.uuid_of(call, node)})
