# SPDX-License-Identifier: Apache-2.0
"""An attempt to inspect a node, as it stands in the node's record.

Whichever conductor looks after the node goes on from there. What is about to
be asked is written down before it is asked: after a crash at any moment the
successor knows whether a request may be under way, and which record of the
service is the one from before. Makes values, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from baremetal_backend.core.records import Node
from baremetal_backend.drivers.discoverd.ports import Status

#: Where it stands in ``driver_internal_info``.
KEY = "discoverd"


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that the service had before it was asked for this attempt."""

    started_at: str | None
    finished_at: str | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One inspection that somebody asked for."""

    #: A uuid: tells it from the node's earlier ones.
    id: str
    #: Properties that the node had and that it is to keep.
    kept: Mapping[str, Any] = field(default_factory=dict)
    #: The service was asked to begin, or is about to be.
    asked: bool = False
    #: The service has begun: it accepted, or its record shows it.
    answered: bool = False
    #: None: it had no record then.
    before: Seen | None = None
    #: What earlier attempts were to keep and have not put back yet.
    owed: Mapping[str, Any] = field(default_factory=dict)

    def asking(self, status: Status | None) -> Attempt:
        """The service, which has this record, is to be asked now."""
        before = (
            None
            if status is None
            else Seen(status.started_at, status.finished_at, status.finished)
        )
        return replace(self, asked=True, before=before)

    def begun(self) -> Attempt:
        """The service has begun."""
        return replace(self, answered=True)

    def owns(self, status: Status) -> bool:
        """Whether the service's record is of this attempt.

        Compares the service's times with each other only. A record never
        changes its start. The end of an old one changes when somebody lets
        the service go through its data again, so that it tells something
        only after this attempt was accepted.
        """
        before = self.before
        if before is None:
            return self.asked
        if before.started_at is None or status.started_at is None:
            # A service that tells no times: what it shows after it accepted
            # is the new record, and so is one that is no longer finished.
            return self.answered or (before.finished and not status.finished)
        return before.started_at != status.started_at or (
            self.answered
            and before.finished
            and before.finished_at != status.finished_at
        )


def at(node: Node) -> Attempt | None:
    """The node's attempt; None without one that can be read."""
    return read(node.driver_internal_info)


def read(internal: Mapping[str, Any]) -> Attempt | None:
    """The same from ``driver_internal_info``."""
    shown = internal.get(KEY)
    if not isinstance(shown, Mapping):
        return None
    ident, before = shown.get("id"), shown.get("before")
    if not isinstance(ident, str):
        return None
    return Attempt(
        ident,
        _values(shown.get("kept")),
        asked=shown.get("asked") is True,
        answered=shown.get("answered") is True,
        owed=_values(shown.get("owed")),
        before=Seen(*before)
        if isinstance(before, (list, tuple)) and len(before) == 3
        else None,
    )


def _values(shown: object) -> Mapping[str, Any]:
    return shown if isinstance(shown, Mapping) else {}


def written(node: Node, attempt: Attempt | None) -> dict[str, Any]:
    """Changes that put the attempt at the node; None: that drop it."""
    info = dict(node.driver_internal_info)
    if attempt is None:
        info.pop(KEY, None)
    else:
        info[KEY] = _shown(attempt)
    return {"driver_internal_info": info}


def _shown(attempt: Attempt) -> dict[str, Any]:
    before = attempt.before
    return {
        "id": attempt.id,
        "kept": dict(attempt.kept),
        "asked": attempt.asked,
        "answered": attempt.answered,
        "owed": dict(attempt.owed),
        "before": before
        and [before.started_at, before.finished_at, before.finished],
    }


__all__ = ["KEY", "Attempt", "Seen", "at", "read", "written"]
