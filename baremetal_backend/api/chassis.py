# SPDX-License-Identifier: Apache-2.0
"""``/v1/chassis``: what nodes are grouped in."""

from __future__ import annotations

import dataclasses

from baremetal_backend.api import node_filters, nodes
from baremetal_backend.api.call import Answer, Call, takes
from baremetal_backend.api.fields import (
    LINE,
    OBJECT,
    UUID,
    Field,
    Fields,
    lower,
)
from baremetal_backend.api.paging import ARGUMENTS
from baremetal_backend.api.resource import Handlers, Resource

FIELDS = Fields(
    (
        Field("uuid", 1, UUID, lower, patch=False, brief=True),
        Field("created_at"),
        Field("updated_at"),
        Field("description", 1, LINE, brief=True),
        Field("extra", 1, OBJECT, empty={}),
    )
)

CHASSIS = Resource(
    kind="chassis",
    plural="chassis",
    path="chassis",
    title="Chassis",
    fields=FIELDS,
    belongings=(("nodes", 1),),
)

handlers = Handlers(CHASSIS)


@takes("fields", "detail", *node_filters.SINCE, *ARGUMENTS)
def nodes_of(call: Call, ident: str) -> Answer:
    """GET /v1/chassis/{ident}/nodes"""
    uuid = call.storage.chassis.get(CHASSIS.ident(call, ident)).uuid
    within = {**call.query, "chassis_uuid": uuid}
    return nodes.listing(dataclasses.replace(call, query=within))
