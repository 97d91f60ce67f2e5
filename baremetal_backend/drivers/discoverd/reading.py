# SPDX-License-Identifier: Apache-2.0
"""The service's answers, checked, as records. Pure.

All that is not as it has to be is a ValueError that says what is wrong.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.wording import cleaned


def status(body: object, uuid: str) -> Status:
    """A node's record. A service from before version 1.8 leaves out all but
    whether it ended, and how. Errors: ValueError."""
    record = _object(body, "a record")
    if _text(record, "uuid") not in (None, uuid):
        raise ValueError("the record is of another node")
    finished = record.get("finished")
    if not isinstance(finished, bool):
        raise ValueError("a record does not say whether it is finished")
    return Status(
        uuid=uuid,
        finished=finished,
        error=_text(record, "error") or None,
        started_at=_text(record, "started_at"),
        finished_at=_text(record, "finished_at"),
    )


def page(body: object) -> list[tuple[str | None, object]]:
    """A list's page: each node and its record, unread.

    None: the record does not name its node. Errors: ValueError.
    """
    if not isinstance(body, list):
        raise ValueError("the list of records is none")
    found = [(_node(one), one) for one in body]
    if found and not any(uuid for uuid, _ in found):
        raise ValueError("no record of the list names its node")
    return found


def collected(body: object) -> dict[str, Any]:
    """What was found out about a node. Errors: ValueError."""
    return _object(body, "what was collected")


def _node(body: object) -> str | None:
    uuid = body.get("uuid") if isinstance(body, dict) else None
    return uuid if isinstance(uuid, str) and uuid else None


def _object(body: object, what: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError(f"{what} is no object")
    return body


def _text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} of a record is no text")
    return cleaned(value)


__all__ = ["collected", "page", "status"]
