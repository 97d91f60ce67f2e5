# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/vendor_passthru``: what only some hardware can do.

A method is named by the last word of the path, or by ``?method=``; clients do
either. What a method of the node's vendor interface takes is its own affair:
the body's members are its arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from baremetal_backend.api import node_ident
from baremetal_backend.api.call import Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.hardware_calls import waits_for_hardware

ARGUMENTS_BODY = {"type": ["object", "null"], "maxProperties": 64}


def methods(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/vendor_passthru/methods"""
    found = call.conductor.vendor_methods(node_ident.checked(call, node))
    return answer(
        {
            name: {
                "description": method.description,
                "http_methods": list(method.http_methods),
                "async": method.is_async,
                "attach": method.attach,
                "require_exclusive_lock": method.require_exclusive_lock,
            }
            for name, method in found.items()
        }
    )


def _caller(http_method: str) -> Callable[..., Answer]:
    @waits_for_hardware
    def call_method(
        call: Call, node: str, method: str | None = None
    ) -> Answer:
        name = method or call.line("method")
        if not name:
            raise BadField("method", "is required")
        done = call.conductor.vendor_passthru(
            node_ident.checked(call, node), name, http_method, call.body or {}
        )
        if done.is_async:
            return Answer(202)
        return answer(done.result)

    call_method.__name__ = f"{http_method.lower()}_method"
    call_method.__doc__ = f"{http_method} /v1/nodes/{{node}}/vendor_passthru"
    return call_method


get_method = takes("method")(_caller("GET"))
delete_method = takes("method")(_caller("DELETE"))
_with_body = takes("method", body=ARGUMENTS_BODY, optional_body=True)
post_method = _with_body(_caller("POST"))
put_method = _with_body(_caller("PUT"))
patch_method = _with_body(_caller("PATCH"))
