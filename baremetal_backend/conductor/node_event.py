# SPDX-License-Identifier: Apache-2.0
"""What happened to a node, as a record for its history."""

from __future__ import annotations

import uuid

from baremetal_backend.core.records import HistoryEvent


def node_event(
    node_uuid: str,
    topic: str,
    reason: str,
    *,
    host: str,
    now: str,
    failed: bool = False,
) -> HistoryEvent:
    """``topic``: ``provisioning``, ``lock``, ...; ``now``: as it is stored."""
    return HistoryEvent(
        uuid=str(uuid.uuid4()),
        node_uuid=node_uuid,
        severity="ERROR" if failed else "INFO",
        event_type=topic,
        event=reason,
        conductor=host,
        created_at=now,
    )
