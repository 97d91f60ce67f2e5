# SPDX-License-Identifier: Apache-2.0
"""The node that a URL names."""

from __future__ import annotations

from baremetal_backend.api import wellformed
from baremetal_backend.api.call import Call
from baremetal_backend.core.errors import InvalidParameterValue, NodeNotFound


def checked(call: Call, ident: str) -> str:
    """The uuid or name in a URL, well-formed; the node may be missing.

    Names count since version 1.5; ``NAME.json`` meant ``NAME`` before 1.91
    where no node is called so, which clients no longer use.
    """
    ident = wellformed.ident(ident, "node")
    if call.version < 5 and not wellformed.is_uuid(ident):
        raise NodeNotFound(ident)
    return ident


def uuid_of(call: Call, ident: str) -> str:
    """The uuid of the node that a URL names. Errors: NodeNotFound."""
    uuid: str = call.storage.nodes.row(checked(call, ident), ("uuid",))[0]
    return uuid


def referred(call: Call, ident: str, where: str) -> str:
    """The uuid of a node that a body names: 400, not 404, if missing."""
    wanted = wellformed.ident(ident, where)
    try:
        uuid: str = call.storage.nodes.row(wanted, ("uuid",))[0]
    except NodeNotFound as error:
        raise InvalidParameterValue(f"{where}: {error.message}") from error
    return uuid
