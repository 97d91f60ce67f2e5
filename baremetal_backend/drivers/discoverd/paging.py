# SPDX-License-Identifier: Apache-2.0
"""Reads the service's list of records, page after page. Decides only.

The list begins with what was started last, so that the nodes of interest are
found early. It changes while it is read: records move to its begin, and a
record that a page ended with can be gone when the next one is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from baremetal_backend.drivers.discoverd import reading
from baremetal_backend.drivers.discoverd.errors import Refusal
from baremetal_backend.drivers.discoverd.ports import Status

#: Records of a page; the service's own default for the most that it gives.
LIMIT: Final = 1000

# So often a list is begun again from the start.
_MOST_RESTARTS: Final = 3

#: (marker, limit; None: as many as the service likes) to a page.
Fetch = Callable[[str | None, int | None], object]


def collect(fetch: Fetch, wanted: frozenset[str]) -> dict[str, Status]:
    """The records of these nodes that are in the list.

    ``fetch`` bounds the time: what it raises ends the list. Errors: ValueError
    for pages that make no sense, and what ``fetch`` raises.
    """
    limit: int | None = LIMIT
    for _ in range(_MOST_RESTARTS + 1):
        try:
            return _read(fetch, wanted, limit)
        except _LimitTooHigh:
            limit = None
        except _MarkerGone:
            continue
    raise ValueError("the list changes faster than it can be read")


def _read(
    fetch: Fetch, wanted: frozenset[str], limit: int | None
) -> dict[str, Status]:
    found: dict[str, Status] = {}
    marker: str | None = None
    full = limit
    while True:
        page = reading.page(_page(fetch, marker, limit))
        if full is None:
            full = len(page)
        found.update(_readable(page, wanted))
        if len(page) < full or not page or len(found) == len(wanted):
            return found
        last = next((uuid for uuid, _ in reversed(page) if uuid), marker)
        if last == marker:
            raise ValueError("the list does not go on")
        marker = last


def _readable(
    page: list[tuple[str | None, object]], wanted: frozenset[str]
) -> Iterator[tuple[str, Status]]:
    """Records that make sense; the others' nodes are asked for singly."""
    for uuid, record in page:
        if uuid is None or uuid not in wanted:
            continue
        with contextlib.suppress(ValueError):
            yield uuid, reading.status(record, uuid)


class _MarkerGone(Exception):
    """The record that the page before ended with is there no more."""


class _LimitTooHigh(Exception):
    """The service gives fewer records at a time than it was asked for."""


def _page(fetch: Fetch, marker: str | None, limit: int | None) -> object:
    try:
        return fetch(marker, limit)
    except Refusal as refusal:
        if marker is not None and refusal.http_status == 404:
            raise _MarkerGone from None
        if marker is None and limit and refusal.http_status == 400:
            raise _LimitTooHigh from None
        raise


__all__ = ["LIMIT", "Fetch", "collect"]
