# SPDX-License-Identifier: Apache-2.0
"""``/v1/lookup`` and ``/v1/heartbeat``: for what runs on a node on its way.

A ramdisk knows the MAC addresses around it, or the node's uuid; it learns the
node's data and a token, and reports with that. These two URLs are asked by
machines without credentials, so they answer only for nodes on their way.
"""

from __future__ import annotations

from typing import Any

from oslo_utils import strutils

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import ACCEPTED, Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.node_fields import MASK
from baremetal_backend.core.errors import NodeNotFound
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import RAMDISK_STATES

_TEXT = {"type": ["string", "null"], "maxLength": 65536}

HEARTBEAT_BODY = {
    "type": "object",
    "properties": {
        "callback_url": {
            "type": "string",
            "minLength": 1,
            "maxLength": 2048,
            "pattern": wellformed.LINE_PATTERN,
        },
        "agent_token": {"type": "string", "maxLength": 255},
        "agent_version": {
            "type": ["string", "null"],
            "maxLength": 255,
            "pattern": wellformed.LINE_PATTERN,
        },
        "agent_verify_ca": _TEXT,
        "agent_status": _TEXT,
        "agent_status_message": _TEXT,
    },
    "required": ["callback_url", "agent_token"],
    "additionalProperties": False,
}

_BODY_SINCE = {
    "agent_version": 36,
    "agent_verify_ca": 68,
    "agent_status": 72,
    "agent_status_message": 72,
}

_MOST_ADDRESSES = 256

_SHOWN = ("uuid", "properties", "instance_info", "driver_internal_info")


@takes("addresses", "node_uuid")
def lookup(call: Call) -> Answer:
    """GET /v1/lookup"""
    node = _found(call)
    token = call.conductor.agent_token(node.uuid)
    shown: dict[str, Any] = {
        name: strutils.mask_dict_password(value, secret=MASK)
        if isinstance(value := getattr(node, name), dict)
        else value
        for name in _SHOWN
    }
    config: dict[str, Any] = {
        "heartbeat_timeout": call.services.heartbeat_timeout,
    }
    if call.version >= 62:
        # Who asks a second time is shown that there is one.
        config["agent_token"] = token if token is not None else MASK
        config["agent_token_required"] = True
    return answer({"node": shown, "config": config})


def _found(call: Call) -> Node:
    """The node that is asked for. Errors: NodeNotFound, BadField."""
    uuid = call.uuid("node_uuid")
    if uuid is None:
        uuid = _of_addresses(call)
    node = call.storage.nodes.get(uuid)
    if node.provision_state not in RAMDISK_STATES:
        raise NodeNotFound(uuid)
    return node


def _of_addresses(call: Call) -> str:
    given = [one for one in call.query.get("addresses", "").split(",") if one]
    if not given:
        raise BadField("addresses", "give them, or node_uuid")
    if len(given) > _MOST_ADDRESSES:
        raise BadField("addresses", f"are more than {_MOST_ADDRESSES}")
    owners = {
        str(row[0])
        for address in filter(None, map(_mac, given))
        for row in call.storage.ports.page(
            ("node_uuid",), where={"address": address}
        )
    }
    if len(owners) != 1:
        raise NodeNotFound(f"with these {len(given)} addresses")
    return owners.pop()


def _mac(text: str) -> str | None:
    """The address; None for one that no port can have."""
    try:
        return wellformed.mac(text, "addresses")
    except BadField:
        return None


@takes(body=HEARTBEAT_BODY)
def heartbeat(call: Call, node: str) -> Answer:
    """POST /v1/heartbeat/{node}"""
    body = call.body
    for name, since in _BODY_SINCE.items():
        if body.get(name) is not None:
            call.needs(since, name)
    if not body["callback_url"].startswith(("http://", "https://")):
        raise BadField("callback_url", "is no http or https URL")
    call.conductor.heartbeat(
        node_ident.checked(call, node),
        body["callback_url"],
        body["agent_token"],
        body.get("agent_version"),
    )
    return ACCEPTED
