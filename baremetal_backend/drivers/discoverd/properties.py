# SPDX-License-Identifier: Apache-2.0
"""The properties that an inspection must not take from a node.

The service writes what it found into the node, over what was there, unless
its own configuration says otherwise. What the node had is put back when the
inspection ends; what somebody else wrote meanwhile stays. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.core.records import Inventory, Json

# What the service finds under the same name in what it collected.
_FOUND = ("cpus", "cpu_arch", "memory_mb", "local_gb")
_CAPABILITIES = "capabilities"


def kept(properties: Json) -> dict[str, Any]:
    """What there is to keep; empty values are there to be filled in."""
    return {
        name: properties[name]
        for name in (*_FOUND, _CAPABILITIES)
        if properties.get(name)
    }


def restored(
    properties: Json, wanted: Json, found: Json | None
) -> dict[str, Any]:
    """The node's properties with what it had before.

    ``properties``: as they are now. ``wanted``: as of ``kept``. ``found``:
    what the service collected; a property goes back only if its value is the
    service's. None: that is not to be had, and all go back that are there.
    """
    result = dict(properties)
    for name, value in wanted.items():
        if name not in result:
            continue
        if name == _CAPABILITIES:
            result[name] = _merged(value, result[name])
        elif _is_theirs(name, result[name], found):
            result[name] = value
    return result


def settled(kept: Json, owed: Json, found: Json | None) -> dict[str, Any]:
    """What a node is to have, of which an earlier attempt owes something.

    ``kept``: what it had when this attempt began; ``owed``: what it had
    before the earlier one. That counts where the node had, in between, what
    the service ``found``: nobody else wrote it then.
    """
    return {
        name: owed[name]
        if name in owed
        and found is not None
        and name in _FOUND
        and _is_theirs(name, value, found)
        else value
        for name, value in kept.items()
    }


def _is_theirs(name: str, present: Any, found: Json | None) -> bool:
    # The service writes text, whatever it collected.
    return found is None or str(present) == str(found.get(name))


def _merged(had: Any, present: Any) -> Any:
    """All pairs of both; of a name that both have, the one that it had."""
    if not isinstance(had, str) or not isinstance(present, str):
        return had
    pairs = _pairs(had)
    new = [
        (name, value)
        for name, value in _pairs(present).items()
        if name not in pairs
    ]
    if not new:
        return had
    every = (*pairs.items(), *new)
    return ",".join(f"{name}{value}" for name, value in every)


def _pairs(capabilities: str) -> dict[str, str]:
    """Name to what follows it, with the colon."""
    found = {}
    for pair in capabilities.split(","):
        name, colon, value = pair.strip().partition(":")
        if name:
            found[name] = colon + value
    return found


def inventory(data: Mapping[str, Any]) -> Inventory:
    """What the service collected, as it is kept."""
    inner = data.get("inventory")
    rest = {key: value for key, value in data.items() if key != "inventory"}
    return Inventory(inner if isinstance(inner, Mapping) else {}, rest)


__all__ = ["inventory", "kept", "restored", "settled"]
