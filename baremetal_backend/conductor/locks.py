# SPDX-License-Identifier: Apache-2.0
"""What an operator sees and does about leases and lanes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import (
    ConductorNotFound,
    LockChanged,
    NodeChanged,
    NodeNotLocked,
)
from baremetal_backend.core.lanes import LaneFigures
from baremetal_backend.core.leases import in_use
from baremetal_backend.core.records import Lease, Node
from baremetal_backend.core.takeover import recover
from baremetal_backend.storage import Lost

LOG = logging.getLogger(__name__)

# Tries to end a lease whose holder writes at the same time.
_ATTEMPTS = 10


class Locks(Part):
    """Breaks leases, shows lanes."""

    def break_lock(
        self, node_id: str, reason: str, token: int | None = None
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        leases = self._context.storage.leases
        for _ in range(_ATTEMPTS):
            node = self._context.storage.nodes.get(node_id)
            if node.reservation is None:
                raise NodeNotLocked(node.uuid)
            if token not in (None, node.lease_token):
                raise LockChanged(node.uuid)
            lease = leases.of_node(node.uuid)
            if not self._broken(node, lease, reason):
                continue
            self._context.tasks.forget(node.uuid, node.lease_token)
            return
        raise NodeChanged(f"Node {node.uuid}")

    def _broken(self, node: Node, lease: Lease | None, reason: str) -> bool:
        """End the lease as it was seen; False if the node was written."""
        tasks = self._context.tasks
        held = (
            f"used by {node.reservation}" if lease is None else in_use(lease)
        )
        sentence = f"The lock of the node ({held}) was broken: {reason}"
        # An operator who ends work does not want it to begin again.
        cause = f"An administrator broke the lock ({reason})"
        plan = recover(node, cause, tasks.now, may_resume=False)
        lost = plan is not None and plan.work_lost
        result = self._context.storage.leases.give_back(
            node.uuid,
            node.lease_token,
            plan.changes if plan is not None else {},
            event=tasks.event(node, "lock", sentence, failed=lost),
            seen_version=node.version,
        )
        if isinstance(result, Lost):
            return False
        LOG.warning("Node %s: %s", node.uuid, sentence)
        return True

    def lanes(self, host: str) -> Sequence[LaneFigures]:
        """See ``rpc.interface.Conductor``."""
        if host != self._context.settings.host:
            raise ConductorNotFound(host)
        return self._context.tasks.around.lanes.figures()
