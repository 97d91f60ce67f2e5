# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/management/indicators``: lamps of a node."""

from __future__ import annotations

from baremetal_backend.api import links, node_ident
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes
from baremetal_backend.api.hardware_calls import waits_for_hardware
from baremetal_backend.core.errors import NotFound
from baremetal_backend.rpc.interface import IndicatorInfo

STATE_BODY = {
    "type": "object",
    "properties": {
        "state": {"type": "string", "minLength": 1, "maxLength": 16}
    },
    "required": ["state"],
    "additionalProperties": False,
}


def components(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/management/indicators"""
    ident = node_ident.checked(call, node)
    names = sorted(
        {one.component for one in call.conductor.get_indicators(ident)}
    )
    return answer(
        {
            "components": [
                {
                    "name": name,
                    "links": links.pair(call.base, _path(node, name)),
                }
                for name in names
            ]
        }
    )


@waits_for_hardware
def listing(call: Call, node: str, component: str) -> Answer:
    """GET /v1/nodes/{node}/management/indicators/{component}"""
    ident = node_ident.checked(call, node)
    found = [
        one
        for one in call.conductor.get_indicators(ident)
        if one.component == component
    ]
    if not found:
        raise NotFound(
            f"Node {ident} has no component {ascii(component)[:80]} with "
            "indicators."
        )
    return answer({"indicators": [_shown(call, node, one) for one in found]})


def _shown(call: Call, node: str, one: IndicatorInfo) -> dict[str, object]:
    path = _path(node, one.component, one.name)
    return {
        "name": one.name,
        "readonly": not one.states,
        "states": [state.upper() for state in one.states],
        "links": links.pair(call.base, path),
    }


@waits_for_hardware
def show(call: Call, node: str, component: str, indicator: str) -> Answer:
    """GET /v1/nodes/{node}/management/indicators/{component}/{indicator}"""
    state = call.conductor.get_indicator_state(
        node_ident.checked(call, node), component, indicator
    )
    return answer({"state": state.upper()})


@waits_for_hardware
@takes(body=STATE_BODY)
def switch(call: Call, node: str, component: str, indicator: str) -> Answer:
    """PUT /v1/nodes/{node}/management/indicators/{component}/{indicator}"""
    call.conductor.set_indicator_state(
        node_ident.checked(call, node),
        component,
        indicator,
        call.body["state"].lower(),
    )
    return NO_CONTENT


def _path(node: str, *parts: str) -> str:
    return "/".join(("nodes", node, "management", "indicators", *parts))
