# SPDX-License-Identifier: Apache-2.0
"""The fields of a node: since which version, how written, how shown."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from oslo_utils import strutils

from baremetal_backend.api import links, wellformed
from baremetal_backend.api.call import Call
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.fields import (
    FLAG,
    GROUP,
    LINE,
    NAME,
    OBJECT,
    PROSE,
    UUID,
    Field,
    Fields,
    flag,
    line,
    lower,
)
from baremetal_backend.api.rendering import (
    Encode,
    Part,
    Renderer,
    scalar,
    stored,
    text,
)

#: Words that follow /v1/nodes/ in URLs and so can't name a node.
RESERVED_NAMES = frozenset(
    [
        "allocation",
        "bios",
        "children",
        "detail",
        "firmware",
        "history",
        "inventory",
        "maintenance",
        "management",
        "portgroups",
        "ports",
        "states",
        "traits",
        "validate",
        "vendor_passthru",
        "vifs",
        "vmedia",
        "volume",
    ]
)
MASK = "******"


def node_name(value: Any, where: str) -> Any:
    """A name that is neither a uuid nor part of a URL."""
    if value in RESERVED_NAMES or wellformed.is_uuid(value):
        raise BadField(
            where, f"{wellformed.shown(value)} can't be a node's name"
        )
    return value


def _object(name: str, since: int = 1) -> Field:
    return Field(name, since, OBJECT, empty={})


def _flag(name: str, since: int, **more: Any) -> Field:
    return Field(name, since, FLAG, flag, empty=False, **more)


FIELDS = Fields(
    (
        Field("uuid", 1, UUID, lower, patch=False, brief=True),
        Field("created_at"),
        Field("updated_at"),
        Field("automated_clean", 47, FLAG, flag),
        Field("bios_interface", 40, LINE),
        Field("boot_interface", 31, LINE),
        Field("boot_mode", 75),
        Field("clean_step", 7),
        Field("conductor_group", 46, GROUP, lower, empty=""),
        Field("console_enabled"),
        Field("console_interface", 31, LINE),
        Field("deploy_interface", 31, LINE),
        Field("deploy_step", 44),
        Field("description", 51, PROSE),
        _flag("disable_power_off", 95),
        Field("driver", 1, {**line(255, 1), "type": "string"}, needed=True),
        _object("driver_info"),
        Field("driver_internal_info", 3),
        _object("extra"),
        Field("fault", 42),
        Field("firmware_interface", 86, LINE),
        Field("inspect_interface", 31, LINE),
        Field("inspection_finished_at", 6),
        Field("inspection_started_at", 6),
        _object("instance_info"),
        Field("instance_uuid", 1, UUID, lower, brief=True),
        Field("last_error"),
        Field("lessee", 65, LINE),
        _flag("maintenance", 1, create=False, brief=True),
        Field("maintenance_reason"),
        Field("management_interface", 31, LINE),
        Field("name", 5, NAME, node_name, brief=True),
        _object("network_data", 66),
        Field("network_interface", 20, LINE),
        Field("owner", 50, LINE),
        Field("parent_node", 83, NAME),
        Field("power_interface", 31, LINE),
        Field("power_state", brief=True),
        _object("properties"),
        _flag("protected", 48, create=False),
        Field("protected_reason", 48, PROSE, create=False),
        Field("provision_state", brief=True),
        Field("provision_updated_at"),
        Field("raid_config", 12),
        Field("raid_interface", 31, LINE),
        Field("rescue_interface", 38, LINE),
        Field("reservation"),
        Field("resource_class", 21, line(80, 1)),
        _flag("retired", 61),
        Field("retired_reason", 61, PROSE),
        Field("secure_boot", 75),
        Field("service_step", 87),
        Field("shard", 82, LINE),
        Field("storage_interface", 33, LINE),
        Field("target_power_state"),
        Field("target_provision_state"),
        Field("target_raid_config", 12),
        Field("traits", 37),
        Field("vendor_interface", 31, LINE),
        Field("conductor", 49),
        Field("allocation_uuid", 52),
        Field("chassis_uuid", 1, UUID, lower),
    )
)

#: Columns by which a list may be sorted.
SORTABLE = frozenset(
    name
    for name in FIELDS.by_name
    if name not in ("conductor", "traits")
    and not name.endswith(("_info", "_step", "_config", "_data"))
    and name not in ("properties", "extra")
)

# Links to what belongs to a node, and since when they are shown in full.
_BELONGINGS = (
    ("ports", 1),
    ("states", 14),
    ("portgroups", 24),
    ("volume", 32),
)


def renderer(
    call: Call, names: Sequence[str], with_belongings: bool = False
) -> Renderer:
    """Renders the named fields, and links, as the call's version shows."""
    parts = [_part(call, name) for name in names]
    parts.append(
        Part("links", ("uuid",), links.pair_text(call.base, "nodes/"))
    )
    if with_belongings:
        parts.extend(
            Part(
                name,
                ("uuid",),
                links.pair_text(call.base, "nodes/", f"/{name}"),
            )
            for name, since in _BELONGINGS
            if since <= call.version
        )
    return Renderer(parts)


def _part(call: Call, name: str) -> Part:
    if name == "conductor":
        return Part(
            name, ("uuid", "driver", "conductor_group"), _conductor(call)
        )
    return Part(name, (name,), _encode(call, name))


def _conductor(call: Call) -> Encode:
    find = call.directory.owner
    return lambda uuid, driver, group: scalar(find(uuid, driver, group))


def _encode(call: Call, name: str) -> Encode:
    if name == "provision_state":
        return _state_of_version(call.version)
    if name in ("driver_info", "instance_info", "driver_internal_info"):
        return _masked
    if name in call.storage.nodes.json_fields:
        return stored
    if name == "uuid":
        return text
    return scalar


def _state_of_version(version: int) -> Callable[[Any], str]:
    """Older clients know fewer states."""
    told: dict[str, str] = {}
    if version < 2:
        told["available"] = "null"
    if version < 39:
        told["inspect wait"] = '"inspecting"'
    if not told:
        return scalar
    return lambda state: told.get(state) or scalar(state)


#: Secrets whose names don't say so, or that are masked whatever they are: of a
#: JSON object below a name that says so, only texts would be.
_SECRETS = (
    "agent_secret_token",
    "configdrive",
    "ipmi_hex_kg_key",
    "ipmi_password",
    "rescue_password",
    "ssh_key_contents",
    "ssh_password",
)


@functools.lru_cache(maxsize=256)
def _masked(column: str) -> str:
    """JSON text without secrets. Cached: most nodes say the same."""
    if column in ("{}", ""):
        return "{}"
    value = strutils.mask_dict_password(json.loads(column), secret=MASK)
    for secret in _SECRETS:
        if value.get(secret):
            value[secret] = MASK
    return json.dumps(value, ensure_ascii=False)
