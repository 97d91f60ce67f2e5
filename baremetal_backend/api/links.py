# SPDX-License-Identifier: Apache-2.0
"""Links, as text that is put into answers."""

from __future__ import annotations

import re
from typing import Any

_HOST = re.compile(
    r"([A-Za-z0-9._-]{1,255}|\[[0-9a-fA-F:.]{2,45}\])(:[0-9]{1,5})?\Z"
)


def base_url(
    public_endpoint: str | None,
    scheme: str,
    host: str | None,
    server: str,
    prefix: str = "",
) -> str:
    """Where clients reach the service, without a slash at the end.

    A Host header that is no host is replaced by the server's own address:
    it would end up in JSON and in other clients' caches.
    """
    if public_endpoint:
        return public_endpoint.rstrip("/")
    if host is None or _HOST.match(host) is None:
        host = server
    return f"{'https' if scheme == 'https' else 'http'}://{host}{prefix}"


def pair(base: str, path: str) -> list[dict[str, str]]:
    """``self`` and ``bookmark`` of a resource such as ``nodes/UUID``."""
    return [
        {"href": f"{base}/v1/{path}", "rel": "self"},
        {"href": f"{base}/{path}", "rel": "bookmark"},
    ]


def pair_text(base: str, prefix: str, suffix: str = "") -> Any:
    """A function from an id to the JSON text of ``pair``; ids are uuids."""
    form = (
        f'[{{"href": "{base}/v1/{prefix}%s{suffix}", "rel": "self"}}, '
        f'{{"href": "{base}/{prefix}%s{suffix}", "rel": "bookmark"}}]'
    )
    return lambda ident: form % (ident, ident)
