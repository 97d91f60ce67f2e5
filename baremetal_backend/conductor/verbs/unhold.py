# SPDX-License-Identifier: Apache-2.0
"""``unhold``: go on with the steps after the one that held."""

from __future__ import annotations

from baremetal_backend.conductor.operation import Provisioning
from baremetal_backend.conductor.verbs.request import Request
from baremetal_backend.conductor.verbs.rest import REST


def operation(request: Request) -> Provisioning:
    """From a hold back to the work."""
    rest = REST[request.node.provision_state]
    return Provisioning(request.verb, rest.work, what=rest.what)
