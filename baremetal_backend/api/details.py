# SPDX-License-Identifier: Apache-2.0
"""What is known of a node beside its fields: history, hardware details.

BIOS settings and firmware components are recorded by drivers that this
service does not have yet; the answers are those of a node that has none.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import node_ident, paging, wellformed
from baremetal_backend.api.call import Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.core.errors import NotFound
from baremetal_backend.core.records import HistoryEvent

_BRIEF = ("uuid", "created_at", "severity", "event")
_FULL = (*_BRIEF, "event_type", "conductor", "user")


@takes("detail", "fields", "limit", "marker")
def history(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/history"""
    uuid = node_ident.uuid_of(call, node)
    page = paging.asked(call, ())
    names = _fields(call)
    events = call.storage.history.page(
        uuid, (page.limit or 0) + 1, page.marker
    )
    shown, follows = paging.cut(
        call, page, events, [event.uuid for event in events]
    )
    document: dict[str, Any] = {
        "history": [_event(call, uuid, event, names) for event in shown]
    }
    if follows:
        document["next"] = follows
    return answer(document)


def history_event(call: Call, node: str, event: str) -> Answer:
    """GET /v1/nodes/{node}/history/{event}"""
    uuid = node_ident.uuid_of(call, node)
    found = call.storage.history.get(uuid, wellformed.uuid(event, "event"))
    return answer(_event(call, uuid, found, _FULL))


def _fields(call: Call) -> tuple[str, ...]:
    if "fields" in call.query:
        names = tuple(call.query["fields"].split(","))
        for name in names:
            if name not in _FULL:
                raise BadField(
                    "fields", f"{wellformed.shown(name)} is not a valid field"
                )
        return names
    return _FULL if call.flag("detail") else _BRIEF


def _event(
    call: Call, node: str, event: HistoryEvent, names: tuple[str, ...]
) -> dict[str, Any]:
    href = f"{call.base}/v1/nodes/{node}/history/{event.uuid}"
    return {name: getattr(event, name) for name in names} | {
        "links": [{"href": href, "rel": "self"}]
    }


def inventory(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/inventory"""
    uuid = node_ident.uuid_of(call, node)
    texts = call.storage.inventories.texts(uuid)
    if texts is None:
        raise NotFound(
            f"Node inventory record for node {uuid} could not be found."
        )
    found, more = texts
    document = f'{{"inventory": {found}, "plugin_data": {more}}}'
    return Answer(200, document.encode())


@takes("detail", "fields")
def bios(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/bios"""
    node_ident.uuid_of(call, node)
    return answer({"bios": []})


@takes("detail", "fields")
def firmware(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/firmware"""
    node_ident.uuid_of(call, node)
    return answer({"firmware": []})
