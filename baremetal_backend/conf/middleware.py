# SPDX-License-Identifier: Apache-2.0
"""``[oslo_middleware]``: the option of that name that this service heeds."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "oslo_middleware"


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.BoolOpt(
            "enable_proxy_headers_parsing",
            default=False,
            help="Believe a proxy's X-Forwarded headers when links are made.",
        ),
    ]
