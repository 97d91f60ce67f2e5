# SPDX-License-Identifier: Apache-2.0
"""URLs of nodes whose interfaces no driver here has yet.

They answer as for hardware that can't do it (400), after the node was found,
so that clients tell "this machine can't" from "no such machine".
"""

from __future__ import annotations

from baremetal_backend.api import node_ident
from baremetal_backend.api.call import Answer, Call, takes
from baremetal_backend.core.errors import NotFound, UnsupportedDriverExtension

_ANYTHING = {"type": "object"}


def _refuse(call: Call, node: str, extension: str) -> Answer:
    found = call.storage.nodes.get(node_ident.checked(call, node))
    raise UnsupportedDriverExtension(found.driver, extension)


def get_vmedia(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/vmedia"""
    return _refuse(call, node, "get_virtual_media")


@takes(body=_ANYTHING)
def attach_vmedia(call: Call, node: str) -> Answer:
    """POST /v1/nodes/{node}/vmedia"""
    return _refuse(call, node, "attach_virtual_media")


@takes("device_types")
def detach_vmedia(call: Call, node: str) -> Answer:
    """DELETE /v1/nodes/{node}/vmedia"""
    return _refuse(call, node, "detach_virtual_media")


def allocation(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/allocation"""
    node_ident.uuid_of(call, node)
    raise NotFound(f"Allocation for node {node} was not found")


@takes("detail", "fields")
def bios_setting(call: Call, node: str, setting: str) -> Answer:
    """GET /v1/nodes/{node}/bios/{setting}"""
    uuid = node_ident.uuid_of(call, node)
    raise NotFound(f"Node {uuid} doesn't have this BIOS setting")
