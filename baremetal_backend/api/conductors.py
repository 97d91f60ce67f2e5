# SPDX-License-Identifier: Apache-2.0
"""``/v1/conductors``: the processes that look after nodes."""

from __future__ import annotations

from typing import Any

from baremetal_backend.api import links, paging, wellformed
from baremetal_backend.api.call import Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.core.errors import ConductorNotFound
from baremetal_backend.rpc.interface import ConductorInfo

_BRIEF = ("hostname", "conductor_group", "alive")
_FULL = ("created_at", "updated_at", *_BRIEF[:2], "drivers", "alive")


@takes("detail", "fields", *paging.ARGUMENTS)
def listing(call: Call) -> Answer:
    """GET /v1/conductors"""
    names = _chosen(call) or (_FULL if call.flag("detail") else _BRIEF)
    key = wellformed.one_of(
        call.query.get("sort_key", "hostname"), "sort_key", ("id", *_FULL[:4])
    )
    down = wellformed.one_of(
        call.query.get("sort_dir", "asc"), "sort_dir", ("asc", "desc")
    )
    found = sorted(
        call.directory.conductors(),
        key=lambda c: str(getattr(c, key, c.hostname)),
        reverse=down == "desc",
    )
    start = 0
    if "marker" in call.query:
        hosts = [conductor.hostname for conductor in found]
        marker = call.line("marker")
        if marker not in hosts:
            raise BadField("marker", f"{wellformed.shown(marker)} is unknown")
        start = hosts.index(marker) + 1
    limit = call.services.max_limit
    if "limit" in call.query:
        given = wellformed.integer(call.query["limit"], "limit", 1, 10**9)
        limit = min(limit, given)
    part = found[start : start + limit + 1]
    page = paging.Page(limit=limit)
    shown, follows = paging.cut(call, page, part, [c.hostname for c in part])
    document: dict[str, Any] = {
        "conductors": [_document(call, c, names) for c in shown]
    }
    if follows:
        document["next"] = follows
    return answer(document)


@takes("fields")
def show(call: Call, host: str) -> Answer:
    """GET /v1/conductors/{host}"""
    wanted = wellformed.line(host, "conductor")
    for conductor in call.directory.conductors():
        if conductor.hostname == wanted:
            return answer(_document(call, conductor, _chosen(call) or _FULL))
    raise ConductorNotFound(wanted)


def _chosen(call: Call) -> tuple[str, ...] | None:
    if "fields" not in call.query:
        return None
    names = tuple(call.query["fields"].split(","))
    for name in names:
        if name not in (*_FULL, "links"):
            raise BadField(
                "fields", f"{wellformed.shown(name)} is not a valid field"
            )
    return tuple(name for name in names if name != "links")


def _document(
    call: Call, conductor: ConductorInfo, names: tuple[str, ...]
) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name in names:
        value = getattr(conductor, name)
        document[name] = list(value) if isinstance(value, tuple) else value
    document["links"] = links.pair(
        call.base, f"conductors/{conductor.hostname}"
    )
    return document
