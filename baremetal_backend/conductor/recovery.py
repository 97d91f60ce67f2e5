# SPDX-License-Identifier: Apache-2.0
"""Start-up after a crash: no node stays reserved or in an ``-ing`` state."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from baremetal_backend.core.records import HistoryEvent, NodeFilter
from baremetal_backend.core.states import STATES
from baremetal_backend.core.takeover import recover
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.storage import Lost, Storage

LOG = logging.getLogger(__name__)


def recover_nodes(
    storage: Storage, host: str, clock: Callable[[], float]
) -> int:
    """Repair what the last process of this host left. Returns how many.

    Must run before the conductor serves requests.
    """
    repaired = 0
    for ident in _suspects(storage, host):
        node = storage.nodes.get(ident)
        if node.reservation not in (None, host):
            continue
        now = timestamp(clock())
        plan = recover(node, host, now)
        if plan is None:
            continue
        result = storage.nodes.change(
            node.uuid,
            plan.changes,
            seen_version=node.version,
            event=HistoryEvent(
                uuid=str(uuid.uuid4()),
                node_uuid=node.uuid,
                severity="ERROR" if plan.work_lost else "INFO",
                event_type="takeover",
                event=plan.reason,
                conductor=host,
                created_at=now,
            ),
        )
        if isinstance(result, Lost):
            continue
        repaired += 1
        LOG.warning("Node %s: %s", node.uuid, plan.reason)
    return repaired


def _suspects(storage: Storage, host: str) -> list[str]:
    filters = [NodeFilter(reservation=host)]
    filters += [
        NodeFilter(provision_state=name)
        for name, row in STATES.items()
        if row.on_takeover is not None
    ]
    found = [
        row[0] for one in filters for row in storage.nodes.page(("uuid",), one)
    ]
    return list(dict.fromkeys(found))
