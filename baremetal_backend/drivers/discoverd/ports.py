# SPDX-License-Identifier: Apache-2.0
"""What the inspection service can be asked, whoever carries it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """The service's record of a node's last inspection."""

    uuid: str
    #: Whether it ended; only then ``error`` says anything.
    finished: bool
    #: None: it ended well.
    error: str | None
    #: As the service writes times: compared with each other, never with ours.
    started_at: str | None
    finished_at: str | None


class InspectionService(Protocol):
    """Errors of all methods: ``errors.ServiceError``. Each has a deadline."""

    def start(self, uuid: str) -> None:
        """Begin with a node; returns when the service has accepted it.

        Errors: NoAnswer (see ``may_have_begun``), Refusal.
        """
        ...

    def status(self, uuid: str) -> Status | None:
        """The record of one node; None: the service has none."""
        ...

    def statuses(self, uuids: Iterable[str]) -> Mapping[str, Status] | None:
        """The records of these nodes that there are, in as few requests as
        possible; None: this service can't list, ask for each node."""
        ...

    def abort(self, uuid: str) -> bool:
        """Give an inspection up; False: the service has no record of it."""
        ...

    def data(self, uuid: str) -> Mapping[str, Any] | None:
        """All that was collected; None: the service keeps nothing."""
        ...


__all__ = ["InspectionService", "Status"]
