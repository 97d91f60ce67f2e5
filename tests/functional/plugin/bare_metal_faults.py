# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with the bare metal service, for a ``FaultyProxy``."""

from __future__ import annotations

import dataclasses
import json
import time
import urllib.parse
from typing import Any

from lab.faulty_proxy import Answer, Fault, Request, Rewrite


def is_listing(request: Request) -> bool:
    """Is it a request for the list of nodes?"""
    return request.method == "GET" and request.path.rstrip("/").endswith(
        "/nodes"
    )


def listings(answer: Answer) -> Fault:
    """Every list of nodes gets this answer."""
    return lambda request: answer if is_listing(request) else None


def slow_listings(seconds: float) -> Fault:
    """Every list of nodes comes that late."""

    def delay(request: Request) -> None:
        if is_listing(request):
            time.sleep(seconds)

    return delay


def later_pages(answer: Answer) -> Fault:
    """The first page arrives, every later one gets this answer."""
    return lambda request: (
        answer if is_listing(request) and "marker" in request.query else None
    )


def small_pages(size: int) -> Rewrite:
    """Cut lists of nodes into pages with ``next`` links.

    For pages as the service itself makes them, only smaller than its limit.
    """

    def cut(request: Request, answer: Answer) -> Answer:
        if not is_listing(request) or answer.status != 200:
            return answer
        body = json.loads(answer.body)
        nodes = body["nodes"]
        if "marker" in request.query or len(nodes) <= size:
            return answer
        rest = urllib.parse.urlencode(
            {**request.query, "marker": nodes[size - 1]["uuid"]}
        )
        body = {"nodes": nodes[:size], "next": f"http://elsewhere/?{rest}"}
        return dataclasses.replace(answer, body=json.dumps(body).encode())

    return cut


def older_api(maximum: str) -> Rewrite:
    """Version documents say that the service is that old."""

    def rewrite(request: Request, answer: Answer) -> Answer:
        if request.path.rstrip("/") not in ("", "/v1"):
            return answer

        def older(found: Any) -> Any:
            if isinstance(found, list):
                return [older(item) for item in found]
            if not isinstance(found, dict):
                return found
            changed = {key: older(value) for key, value in found.items()}
            if "min_version" in changed:
                changed["version"] = maximum
            return changed

        body = json.dumps(older(json.loads(answer.body))).encode()
        return dataclasses.replace(answer, body=body)

    return rewrite
