# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/management`` and ``validate``: the node's hardware."""

from __future__ import annotations

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes
from baremetal_backend.api.hardware_calls import waits_for_hardware

BOOT_DEVICE_BODY = {
    "type": "object",
    "properties": {
        "boot_device": {"type": "string", "minLength": 1, "maxLength": 64},
        "persistent": {"type": ["boolean", "string", "null"]},
    },
    "required": ["boot_device"],
    "additionalProperties": False,
}

EMPTY_BODY = {"type": "object", "additionalProperties": False}


def validate(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/validate"""
    found = call.conductor.validate_driver_interfaces(
        node_ident.checked(call, node)
    )
    return answer(
        {
            kind: {"result": verdict.result}
            | ({"reason": verdict.reason} if verdict.reason else {})
            for kind, verdict in found.items()
        }
    )


@waits_for_hardware
def boot_device(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/management/boot_device"""
    device = call.conductor.get_boot_device(node_ident.checked(call, node))
    return answer(
        {"boot_device": device.boot_device, "persistent": device.persistent}
    )


@waits_for_hardware
@takes(body=BOOT_DEVICE_BODY)
def set_boot_device(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/management/boot_device"""
    persistent = call.body.get("persistent")
    call.conductor.set_boot_device(
        node_ident.checked(call, node),
        call.body["boot_device"],
        persistent is not None
        and wellformed.boolean(persistent, "persistent"),
    )
    return NO_CONTENT


def supported_boot_devices(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/management/boot_device/supported"""
    devices = call.conductor.get_supported_boot_devices(
        node_ident.checked(call, node)
    )
    return answer({"supported_boot_devices": list(devices)})


@waits_for_hardware
@takes(body=EMPTY_BODY, optional_body=True)
def inject_nmi(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/management/inject_nmi"""
    call.conductor.inject_nmi(node_ident.checked(call, node))
    return NO_CONTENT
