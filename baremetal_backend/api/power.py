# SPDX-License-Identifier: Apache-2.0
"""How sure the power states are: of one node, and of a conductor's nodes.

Extensions of this service: ``GET /v1/nodes/{node}/states/power`` and
``GET /v1/conductors/{host}/power``.
"""

from __future__ import annotations

import dataclasses

from baremetal_backend.api import node_ident, wellformed
from baremetal_backend.api.call import Answer, Call, answer, takes


@takes()
def of_node(call: Call, node: str) -> Answer:
    """GET /v1/nodes/{node}/states/power"""
    found = call.conductor.node_power(node_ident.checked(call, node))
    return answer(dataclasses.asdict(found))


@takes()
def of_conductor(call: Call, host: str) -> Answer:
    """GET /v1/conductors/{host}/power"""
    found = call.conductor.conductor_power(wellformed.line(host, "conductor"))
    return answer(dataclasses.asdict(found))
