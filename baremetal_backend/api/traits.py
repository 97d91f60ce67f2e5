# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/traits``: what a node can do, as placement names it.

A write names the version that it saw and is repeated when somebody else
wrote the node meanwhile, so that two clients that add a trait each both get
theirs.
"""

from __future__ import annotations

from collections.abc import Callable

import os_traits

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.core.errors import NodeChanged, NotFound

#: Traits of one node.
MAX_TRAITS = 50
ATTEMPTS = 10

# Standard traits (HW_..., COMPUTE_...) have the form of custom ones.
_PATTERN = "^[A-Z][A-Z0-9_]*$(?!\\n)"
_TRAIT = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": _PATTERN,
}
BODY = {
    "type": "object",
    "properties": {
        "traits": {"type": "array", "maxItems": MAX_TRAITS, "items": _TRAIT}
    },
    "required": ["traits"],
    "additionalProperties": False,
}

Change = Callable[[tuple[str, ...]], tuple[str, ...]]


def listing(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/traits"""
    found = call.storage.nodes.get(node_ident.checked(call, node))
    return answer({"traits": list(found.traits)})


@takes(body=BODY)
def replace(call: Call, node: str) -> Answer:
    """PUT /v1/nodes/{node}/traits"""
    wanted = tuple(sorted({_checked(t) for t in call.body["traits"]}))
    _write(call, node, lambda _present: wanted)
    return NO_CONTENT


def add(call: Call, node: str, trait: str) -> Answer:
    """PUT /v1/nodes/{node}/traits/{trait}"""
    name = _checked(trait)
    _write(call, node, lambda present: tuple(sorted({*present, name})))
    return Answer(204, location=f"{call.base}/v1/nodes/{node}/traits/{name}")


def remove(call: Call, node: str, trait: str) -> Answer:
    """DELETE /v1/nodes/{node}/traits/{trait}"""

    def without(present: tuple[str, ...]) -> tuple[str, ...]:
        if trait not in present:
            raise NotFound(
                f"Node {node} doesn't have a trait {wellformed.shown(trait)}"
            )
        return tuple(name for name in present if name != trait)

    _write(call, node, without)
    return NO_CONTENT


def clear(call: Call, node: str) -> Answer:
    """DELETE /v1/nodes/{node}/traits"""
    _write(call, node, lambda _present: ())
    return NO_CONTENT


def _checked(trait: str) -> str:
    if len(trait) > 255 or not trait.isascii():
        raise BadField("trait", f"{wellformed.shown(trait)} is not a trait")
    custom = trait.removeprefix("CUSTOM_")
    if custom != trait and custom.replace("_", "A").isalnum():
        if custom.upper() == custom:
            return trait
    elif trait in _standard_traits():
        return trait
    raise BadField(
        "trait",
        f"{wellformed.shown(trait)} is neither CUSTOM_ followed by A-Z, 0-9 "
        "and _ nor a standard trait",
    )


def _standard_traits() -> frozenset[str]:
    return frozenset(os_traits.get_traits())


def _write(call: Call, node: str, change: Change) -> None:
    ident = node_ident.checked(call, node)
    for _ in range(ATTEMPTS):
        seen = call.storage.nodes.get(ident)
        wanted = change(tuple(seen.traits))
        if len(wanted) > MAX_TRAITS:
            raise BadField("traits", f"at most {MAX_TRAITS} for one node")
        if wanted == tuple(seen.traits):
            return
        try:
            call.conductor.update_node(
                seen.uuid, {"traits": wanted}, seen.version
            )
        except NodeChanged:
            continue
        return
    raise NodeChanged(f"Node {ident}")
