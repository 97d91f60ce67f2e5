# SPDX-License-Identifier: Apache-2.0
"""What ports, port groups, volumes and chassis have in common.

A ``Resource`` is data: table of fields, where records are kept, which
filters a list takes. Its methods are the handlers of the resource's URLs;
what is special about one kind is a function in its own module.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baremetal_backend.api import links, node_ident, paging, patch, wellformed
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.fields import Fields
from baremetal_backend.api.rendering import (
    Part,
    Renderer,
    collection,
    scalar,
    stored,
)
from baremetal_backend.api.schemas import Checker
from baremetal_backend.core.errors import NodeChanged, ResourceNotFound
from baremetal_backend.core.records import ResourceKind

PATCH_ATTEMPTS = 10

#: From a call and the value of a filter's argument to column and value.
Filter = Callable[[Call, str], tuple[str, Any]]


def by_node(call: Call, value: str) -> tuple[str, Any]:
    """A node by uuid or name; 404 if it does not exist."""
    return "node_uuid", node_ident.uuid_of(call, value)


def by_mac(_call: Call, value: str) -> tuple[str, Any]:
    """A MAC address."""
    return "address", wellformed.mac(value, "address")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of record beside nodes."""

    kind: ResourceKind
    #: Name of the list in answers, and path after /v1/.
    plural: str
    path: str
    #: As in messages, such as ``Port``.
    title: str
    fields: Fields
    filters: Mapping[str, Filter] = field(default_factory=dict)
    #: Links to what belongs to the record: name and version.
    belongings: tuple[tuple[str, int], ...] = ()
    named: bool = False
    #: Checks and completes values before they are written.
    prepare: Callable[[Call, dict[str, Any], Any], None] | None = None

    @property
    def sortable(self) -> frozenset[str]:
        """Fields that a list can be sorted by."""
        return frozenset(
            name
            for name in self.fields.by_name
            if name not in ("extra", "properties", "internal_info")
            and name != "local_link_connection"
        )

    def renderer(
        self, call: Call, names: Sequence[str], full: bool
    ) -> Renderer:
        """Renders the named fields, and links."""
        json_fields = call.storage.resources(self.kind).json_fields
        parts = [
            Part(name, (name,), stored if name in json_fields else scalar)
            for name in names
        ]
        parts.append(
            Part(
                "links", ("uuid",), links.pair_text(call.base, f"{self.path}/")
            )
        )
        for name, since in self.belongings if full else ():
            if since <= call.version:
                text = links.pair_text(call.base, f"{self.path}/", f"/{name}")
                parts.append(Part(name, ("uuid",), text))
        return Renderer(parts)

    def page(
        self,
        call: Call,
        where: Mapping[str, Any],
        names: Sequence[str],
        full: bool,
    ) -> Answer:
        """One page of a list."""
        page = paging.asked(call, self.sortable)
        render = self.renderer(call, names, full)
        rows = call.storage.resources(self.kind).page(
            render.columns, paging.one_more(page), where
        )
        at = render.columns.index("uuid")
        shown, follows = paging.cut(call, page, rows, [r[at] for r in rows])
        return Answer(
            200, collection(self.plural, render.texts(shown), follows)
        )

    def asked(self, call: Call) -> dict[str, Any]:
        """Columns and values that the query's filters ask for."""
        return dict(
            look(call, call.query[name])
            for name, look in self.filters.items()
            if name in call.query
        )

    def listed(self, call: Call, where: Mapping[str, Any]) -> Answer:
        """A list with the fields that the query asks for."""
        detail = "detail" in call.query and call.flag("detail")
        names = self.fields.chosen(call)
        if detail and names is not None:
            raise BadField(
                "detail",
                "Can not specify detail and fields in the same request",
            )
        if detail:
            return self.page(
                call, where, self.fields.visible(call.version), True
            )
        if names is None:
            names = self.fields.brief(call.version)
        return self.page(call, where, names, False)

    def ident(self, call: Call, ident: str) -> str:
        """The uuid that a URL means. Errors: ResourceNotFound, BadField."""
        wanted = wellformed.ident(ident, self.title.lower())
        if wellformed.is_uuid(wanted):
            return wanted
        if not self.named:
            raise ResourceNotFound(self.title, wanted)
        uuid: str = call.storage.resources(self.kind).get(wanted).uuid
        return uuid


class Handlers:
    """The handlers of one resource's URLs, for the route table."""

    def __init__(self, resource: Resource) -> None:
        filters = (*resource.filters, *paging.ARGUMENTS)
        fields = resource.fields
        part = functools.partial
        self.listing = takes("fields", "detail", *filters)(
            part(_listing, resource)
        )
        self.detail = takes(*filters)(part(_detail, resource))
        self.show = takes("fields")(part(_show, resource))
        self.create = takes(body=fields.create_schema)(part(_create, resource))
        self.update = takes(body=patch.SCHEMA)(
            part(_update, resource, Checker(fields.patched_schema))
        )
        self.delete = part(_delete, resource)


def _listing(resource: Resource, call: Call) -> Answer:
    return resource.listed(call, resource.asked(call))


def _detail(resource: Resource, call: Call) -> Answer:
    names = resource.fields.visible(call.version)
    return resource.page(call, resource.asked(call), names, True)


def _show(resource: Resource, call: Call, ident: str) -> Answer:
    names = resource.fields.chosen(call)
    return Answer(
        200, _text(resource, call, resource.ident(call, ident), names)
    )


def _text(
    resource: Resource,
    call: Call,
    uuid: str,
    names: tuple[str, ...] | None = None,
) -> bytes:
    render = resource.renderer(
        call,
        resource.fields.visible(call.version) if names is None else names,
        names is None,
    )
    rows = call.storage.resources(resource.kind).page(
        render.columns, where={"uuid": uuid}
    )
    if not rows:
        raise ResourceNotFound(resource.title, uuid)
    return render.texts(rows)[0].encode()


def _create(resource: Resource, call: Call) -> Answer:
    resource.fields.check_version(call.version, list(call.body))
    values = resource.fields.values(call.body)
    if values.get("uuid") is None:
        values.pop("uuid", None)
    if resource.prepare is not None:
        resource.prepare(call, values, None)
    made = call.conductor.create_resource(resource.kind, values)
    return Answer(
        201,
        _text(resource, call, made.uuid),
        f"{call.base}/v1/{resource.path}/{made.uuid}",
    )


def _update(
    resource: Resource, checker: Checker, call: Call, ident: str
) -> Answer:
    patch.touched(call.body, resource.fields, call.version)
    uuid = resource.ident(call, ident)
    for _ in range(PATCH_ATTEMPTS):
        if _patch_once(resource, checker, call, uuid):
            return Answer(200, _text(resource, call, uuid))
    raise NodeChanged(f"{resource.title} {uuid}")


def _patch_once(
    resource: Resource, checker: Checker, call: Call, uuid: str
) -> bool:
    seen = call.storage.resources(resource.kind).get(uuid)
    document = {n: getattr(seen, n) for n in resource.fields.patchable}
    changes = patch.patched(document, call.body, resource.fields, checker)
    if resource.prepare is not None:
        resource.prepare(call, changes, seen)
    if not changes:
        return True
    try:
        call.conductor.update_resource(
            resource.kind, uuid, changes, seen.version
        )
    except NodeChanged:
        return False
    return True


def _delete(resource: Resource, call: Call, ident: str) -> Answer:
    uuid = resource.ident(call, ident)
    call.conductor.destroy_resource(resource.kind, uuid)
    return NO_CONTENT
