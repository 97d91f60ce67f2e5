# SPDX-License-Identifier: Apache-2.0
"""The outbox's table as a list; ``storage.outbox`` is the original."""

from __future__ import annotations

from baremetal_backend.storage.outbox import Announcement


class FakeOutbox:
    """Rows in order; ``broken`` is raised instead of an answer."""

    def __init__(self, *rows: Announcement) -> None:
        self.rows = list(rows)
        self.taken_away = False
        self.broken: Exception | None = None
        self.orphans: list[Announcement] = []

    def pending(self, limit: int = 100) -> list[Announcement]:
        if self.broken:
            raise self.broken
        return self.rows[:limit]

    def remove(self, one: Announcement) -> bool:
        if self.taken_away:
            self.rows.clear()
            return False
        self.rows.remove(one)
        return True

    def adopt(self) -> int:
        found, self.orphans = self.orphans, []
        self.rows = sorted(self.rows + found, key=lambda row: row.id)
        return len(found)


def row(number: int, node: str = "n", severity: str = "INFO") -> Announcement:
    return Announcement(
        id=number,
        node_uuid=node,
        event_type=f"baremetal.node.test.{number}",
        severity=severity,
        payload={"ironic_object.data": {"uuid": node, "number": number}},
        created_at="2026-01-31T12:00:00+00:00",
    )
