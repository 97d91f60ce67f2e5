# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/vifs``: virtual network interfaces of a node."""

from __future__ import annotations

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes

BODY = {
    "type": "object",
    "properties": {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": wellformed.NAME_PATTERN,
        },
        "port_uuid": {"type": "string", "pattern": wellformed.UUID_PATTERN},
        "portgroup_uuid": {
            "type": "string",
            "pattern": wellformed.UUID_PATTERN,
        },
    },
    "required": ["id"],
    "additionalProperties": False,
}


def listing(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/vifs"""
    vifs = call.conductor.vif_list(node_ident.checked(call, node))
    return answer({"vifs": [{"id": vif["id"]} for vif in vifs]})


@takes(body=BODY)
def attach(call: Call, node: str) -> Answer:
    """POST /v1/nodes/{node}/vifs"""
    for name in ("port_uuid", "portgroup_uuid"):
        if name in call.body:
            call.needs(67, name)
    call.conductor.vif_attach(node_ident.checked(call, node), call.body)
    return NO_CONTENT


def detach(call: Call, node: str, vif: str) -> Answer:
    """DELETE /v1/nodes/{node}/vifs/{vif}"""
    call.conductor.vif_detach(
        node_ident.checked(call, node), wellformed.ident(vif, "vif")
    )
    return NO_CONTENT
