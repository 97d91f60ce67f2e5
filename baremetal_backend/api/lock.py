# SPDX-License-Identifier: Apache-2.0
"""``/v1/nodes/{node}/lock``: who has the node exclusively.

An extension of this service. It is read from the database, so that it also
answers for a node whose conductor does not.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import NO_CONTENT, Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField

_LONGEST_REASON = 1024

_FREE: dict[str, Any] = {
    "locked": False,
    "holder": None,
    "incarnation": None,
    "purpose": None,
    "lane": None,
    "acquired_at": None,
    "expires_at": None,
    "seconds_held": None,
    "token": None,
}


def show(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/lock"""
    found = call.storage.nodes.get(node_ident.checked(call, node))
    lease = call.storage.leases.of_node(found.uuid)
    if lease is not None:
        return answer(
            {
                "locked": True,
                "holder": lease.holder,
                "incarnation": lease.incarnation,
                "purpose": lease.purpose,
                "lane": lease.lane,
                "acquired_at": lease.acquired_at,
                "expires_at": lease.expires_at,
                "seconds_held": int(call.storage.leases.age(lease)),
                "token": lease.token,
            }
        )
    if found.reservation is not None:
        # Left by an earlier release, until a conductor repairs it.
        return answer(
            _FREE
            | {
                "locked": True,
                "holder": found.reservation,
                "token": found.lease_token,
            }
        )
    return answer(_FREE)


@takes("reason", "token")
def end(call: Call, node: str) -> Answer:
    """DELETE /v1/nodes/{node}/lock"""
    ident = node_ident.checked(call, node)
    reason = wellformed.line(call.query.get("reason", ""), "reason").strip()
    if not reason:
        raise BadField("reason", "say why the lock is broken")
    if len(reason) > _LONGEST_REASON:
        raise BadField(
            "reason", f"is longer than {_LONGEST_REASON} characters"
        )
    token = None
    if "token" in call.query:
        given = call.query["token"]
        token = wellformed.integer(given, "token", 0, 2**63 - 1)
    call.conductor.break_lock(ident, reason, token)
    return NO_CONTENT
