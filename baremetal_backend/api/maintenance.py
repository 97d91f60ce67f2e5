# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/maintenance``: a person works on the node."""

from __future__ import annotations

from baremetal_backend.api import node_ident
from baremetal_backend.api.call import ACCEPTED, Answer, Call, takes

BODY = {
    "type": "object",
    "properties": {"reason": {"type": ["string", "null"], "maxLength": 4096}},
    "additionalProperties": False,
}


@takes(body=BODY, optional_body=True)
def begin(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/maintenance"""
    reason = (call.body or {}).get("reason")
    call.conductor.set_node_maintenance(
        node_ident.checked(call, node), True, reason
    )
    return ACCEPTED


def end(call: Call, node: str) -> Answer:
    """DELETE /v1/nodes/{node}/maintenance"""
    call.conductor.set_node_maintenance(node_ident.checked(call, node), False)
    return ACCEPTED
