# SPDX-License-Identifier: Apache-2.0
"""The filters of ``GET /v1/nodes`` and the version that brought each."""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_backend.api import wellformed
from baremetal_backend.api.call import Call
from baremetal_backend.api.faults import BadField
from baremetal_backend.core import states
from baremetal_backend.core.errors import NotFound
from baremetal_backend.core.records import NodeFilter

#: Query argument to the version that brought it.
SINCE: Mapping[str, int] = {
    "associated": 1,
    "chassis_uuid": 1,
    "instance_uuid": 1,
    "maintenance": 1,
    "provision_state": 9,
    "driver": 16,
    "resource_class": 21,
    "fault": 42,
    "conductor_group": 46,
    "conductor": 49,
    "owner": 50,
    "description_contains": 51,
    "project": 50,
    "retired": 61,
    "lessee": 65,
    "shard": 82,
    "sharded": 82,
    "parent_node": 83,
    "include_children": 83,
}

FAULTS = (
    "power failure",
    "clean failure",
    "rescue abort failure",
    "service failure",
)
MAX_SHARDS = 500


def asked(call: Call) -> NodeFilter:
    """The filter that the query asks for.

    Children of other nodes are left out unless they are asked for, whatever
    the version: they are parts of a machine, not machines.
    """
    for name, since in SINCE.items():
        if name in call.query:
            call.needs(since, f"The filter {name}")
    fault = call.query.get("fault")
    if fault is not None:
        wellformed.one_of(fault, "fault", FAULTS)
    group = call.query.get("conductor_group")
    parent = _parent(call)
    return NodeFilter(
        conductor_group=None
        if group is None
        else wellformed.line(group, "conductor_group"),
        instance_uuid=call.uuid("instance_uuid"),
        associated=call.flag("associated"),
        resource_class=call.line("resource_class"),
        provision_state=_state(call),
        maintenance=call.flag("maintenance"),
        shards=_shards(call),
        sharded=call.flag("sharded"),
        driver=call.line("driver"),
        fault=fault,
        owner=call.line("owner"),
        lessee=call.line("lessee"),
        project=call.line("project"),
        description_contains=call.line("description_contains"),
        retired=call.flag("retired"),
        chassis_uuid=call.uuid("chassis_uuid"),
        parent_node=parent,
        top_level=parent is None and not call.flag("include_children"),
    )


def _state(call: Call) -> str | None:
    state = call.query.get("provision_state")
    if state is not None and state not in states.STATES:
        raise BadField(
            "provision_state",
            f"Provision state {wellformed.shown(state)} is not valid",
        )
    return state


def _shards(call: Call) -> tuple[str, ...] | None:
    text = call.query.get("shard")
    if text is None:
        return None
    shards = tuple(dict.fromkeys(text.split(",")))
    if len(shards) > MAX_SHARDS:
        raise BadField("shard", f"at most {MAX_SHARDS} shards")
    return tuple(wellformed.line(shard, "shard") for shard in shards)


def _parent(call: Call) -> str | None:
    ident = call.query.get("parent_node")
    if ident is None:
        return None
    wanted = wellformed.ident(ident, "parent_node")
    try:
        uuid: str = call.storage.nodes.row(wanted, ("uuid",))[0]
    except NotFound:
        if wellformed.is_uuid(wanted):
            return wanted
        raise
    return uuid
