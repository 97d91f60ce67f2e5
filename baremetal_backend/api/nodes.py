# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes`` and ``/v1/nodes/{node}``: list, create, show, patch, delete.

Every node in an answer is rendered from its row by the same renderer,
whether it is one of 1,000 in a page or the one that was just made.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import (
    node_fields,
    node_filters,
    node_ident,
    paging,
    patch,
    rendering,
)
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.node_fields import FIELDS
from baremetal_backend.api.schemas import Checker
from baremetal_backend.core.errors import InvalidParameterValue, NodeChanged
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.rpc.interface import UpdateOptions

#: How often a patch is applied anew when others write the node meanwhile.
PATCH_ATTEMPTS = 10

_PATCHED = Checker(FIELDS.patched_schema)
_INTERFACE_FIELDS = frozenset(f"{kind}_interface" for kind in INTERFACES)


@takes("fields", "detail", *node_filters.SINCE, *paging.ARGUMENTS)
def listing(call: Call) -> Answer:
    """GET /v1/nodes"""
    if "fields" in call.query:
        call.needs(8, "fields")
    if "detail" in call.query:
        call.needs(43, "detail")
    detail = call.flag("detail")
    names = FIELDS.chosen(call)
    if detail and names is not None:
        raise BadField(
            "detail", "Can not specify detail and fields in the same request"
        )
    if detail:
        return _page(call, FIELDS.visible(call.version), full=True)
    if names is None:
        names = FIELDS.brief(call.version)
    return _page(call, names)


@takes(*node_filters.SINCE, *paging.ARGUMENTS)
def detail(call: Call) -> Answer:
    """GET /v1/nodes/detail"""
    return _page(call, FIELDS.visible(call.version), full=True)


def _page(call: Call, names: tuple[str, ...], full: bool = False) -> Answer:
    page = paging.asked(call, node_fields.SORTABLE)
    render = node_fields.renderer(call, names, with_belongings=full)
    filters = node_filters.asked(call)
    if "conductor" in call.query:
        return _page_of_conductor(call, page, filters, render)
    rows = call.storage.nodes.page(
        render.columns, filters, paging.one_more(page)
    )
    return _answer(call, page, render, rows)


def _page_of_conductor(
    call: Call,
    page: paging.Page,
    filters: Any,
    render: rendering.Renderer,
) -> Answer:
    """The same for nodes of one conductor.

    Which conductor serves a node is computed, not stored: pages are read and
    thinned out until one is full.
    """
    wanted = call.line("conductor")
    columns = (*render.columns, "uuid", "driver", "conductor_group")
    found: list[tuple[Any, ...]] = []
    step = paging.one_more(page)
    while len(found) < (step.limit or 0):
        rows = call.storage.nodes.page(columns, filters, step)
        found.extend(
            row[: len(render.columns)]
            for row in rows
            if call.directory.owner(*row[-3:]) == wanted
        )
        if len(rows) < (step.limit or 0):
            break
        step = paging.Page(
            step.limit, rows[-1][-3], step.sort_key, step.sort_dir
        )
    return _answer(call, page, render, found[: step.limit])


def _answer(
    call: Call,
    page: paging.Page,
    render: rendering.Renderer,
    rows: list[tuple[Any, ...]],
) -> Answer:
    at = render.columns.index("uuid")
    shown, follows = paging.cut(call, page, rows, [row[at] for row in rows])
    return Answer(
        200, rendering.collection("nodes", render.texts(shown), follows)
    )


@takes("fields")
def show(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}"""
    if "fields" in call.query:
        call.needs(8, "fields")
    names = FIELDS.chosen(call)
    return Answer(200, _text(call, node_ident.checked(call, node), names))


def _text(
    call: Call, ident: str, names: tuple[str, ...] | None = None
) -> bytes:
    render = node_fields.renderer(
        call,
        FIELDS.visible(call.version) if names is None else names,
        with_belongings=names is None,
    )
    row = call.storage.nodes.row(ident, render.columns)
    return render.texts([row])[0].encode()


@takes(body=FIELDS.create_schema)
def create(call: Call) -> Answer:
    """POST /v1/nodes"""
    FIELDS.check_version(call.version, list(call.body))
    values = FIELDS.values(call.body)
    if values.get("uuid") is None:
        values.pop("uuid", None)
    for name in _INTERFACE_FIELDS & values.keys():
        if values[name] is None:
            del values[name]
    _resolve_parent(call, values, None)
    if call.version < 11:
        values["provision_state"] = "available"
    node = call.conductor.create_node(values)
    return Answer(
        201, _text(call, node.uuid), f"{call.base}/v1/nodes/{node.uuid}"
    )


@takes("reset_interfaces", body=patch.SCHEMA)
def update(call: Call, node: str) -> Answer:
    """PATCH /v1/nodes/{node}"""
    ident = node_ident.checked(call, node)
    names = patch.touched(call.body, FIELDS, call.version)
    options = _options(call, names)
    for _ in range(PATCH_ATTEMPTS):
        seen = call.storage.nodes.get(ident)
        changes = patch.patched(document(seen), call.body, FIELDS, _PATCHED)
        _resolve_parent(call, changes, seen)
        if not changes and not options.reset_interfaces:
            return Answer(200, _text(call, seen.uuid))
        try:
            call.conductor.update_node(
                seen.uuid, changes, seen.version, options
            )
        except NodeChanged:
            continue
        return Answer(200, _text(call, seen.uuid))
    raise NodeChanged(f"Node {ident}")


def document(node: Node) -> dict[str, Any]:
    """The node as patches see it."""
    return {name: getattr(node, name) for name in FIELDS.patchable}


def _options(call: Call, names: set[str]) -> UpdateOptions:
    if "reset_interfaces" in call.query:
        call.needs(45, "reset_interfaces")
    reset = bool(call.flag("reset_interfaces"))
    if reset and "driver" not in names:
        raise BadField(
            "reset_interfaces",
            "can only be used when the driver is changed",
        )
    return UpdateOptions(
        reset_interfaces=reset,
        named_interfaces=frozenset(names & _INTERFACE_FIELDS),
    )


def _resolve_parent(
    call: Call, values: dict[str, Any], node: Node | None
) -> None:
    parent = values.get("parent_node")
    if parent is None:
        return
    uuid = node_ident.referred(call, parent, "parent_node")
    if node is not None and uuid == node.uuid:
        raise InvalidParameterValue(
            "parent_node: a node can't be its own parent"
        )
    values["parent_node"] = uuid


def delete(call: Call, node: str) -> Answer:
    """DELETE /v1/nodes/{node}"""
    call.conductor.destroy_node(node_ident.checked(call, node))
    return NO_CONTENT


def children(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/children"""
    uuid = node_ident.uuid_of(call, node)
    rows = call.storage.nodes.page(
        ("uuid",), node_filters.NodeFilter(parent_node=uuid)
    )
    link = {
        "href": f"{call.base}/v1/nodes?parent_node={uuid}",
        "rel": "children",
    }
    return answer({"children": [row[0] for row in rows], "links": link})
