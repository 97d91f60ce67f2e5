# SPDX-License-Identifier: Apache-2.0
"""``limit``, ``marker``, ``sort_key``, ``sort_dir`` and the ``next`` link."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlencode

from baremetal_backend.api import wellformed
from baremetal_backend.api.call import Call
from baremetal_backend.api.faults import BadField
from baremetal_backend.storage.paging import Page

ARGUMENTS = ("limit", "marker", "sort_key", "sort_dir")


def asked(call: Call, sortable: Collection[str]) -> Page:
    """The page that the query asks for.

    A limit above ``[api]max_limit`` is cut to it, as clients rely on.
    """
    most = call.services.max_limit
    limit = most
    if "limit" in call.query:
        given = wellformed.integer(call.query["limit"], "limit", 1, 10**9)
        limit = min(given, most)
    key = call.query.get("sort_key")
    if key in ("id", ""):
        key = None
    if key is not None and key not in sortable:
        raise BadField(
            "sort_key",
            f"The sort_key value {wellformed.shown(key)} is an invalid "
            "field for sorting",
        )
    direction = wellformed.one_of(
        call.query.get("sort_dir", "asc"), "sort_dir", ("asc", "desc")
    )
    return Page(
        limit=limit,
        marker=call.uuid("marker"),
        sort_key=key,
        sort_dir=direction,
    )


def one_more(page: Page) -> Page:
    """The page with one row more, which tells whether another one follows."""
    return dataclasses.replace(page, limit=(page.limit or 0) + 1)


def cut(
    call: Call, page: Page, rows: Sequence[Any], markers: Sequence[str]
) -> tuple[Sequence[Any], str | None]:
    """Rows of the page, and the link to the one that follows.

    ``markers``: the uuid of each row.
    """
    limit = page.limit or len(rows)
    if len(rows) <= limit:
        return rows, None
    arguments = {
        name: value
        for name, value in call.query.items()
        if name not in ("limit", "marker")
    }
    arguments |= {"limit": str(limit), "marker": markers[limit - 1]}
    link = f"{call.base}{call.path}?{urlencode(arguments, safe=',:')}"
    return rows[:limit], link
