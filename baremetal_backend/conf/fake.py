# SPDX-License-Identifier: Apache-2.0
"""``[fake]``: how long the pretended hardware takes."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "fake"

#: Interface types that have a ``<type>_delay`` option.
DELAYS = (
    "power",
    "boot",
    "deploy",
    "vendor",
    "management",
    "inspect",
    "raid",
    "bios",
    "storage",
    "rescue",
    "firmware",
)


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.StrOpt(
            f"{kind}_delay",
            default="0",
            help=f"Seconds that each operation of the fake {kind} interface "
            'takes: a number, or "a,b" for a random number between the two. '
            f"A node's driver_info fake_{kind}_delay comes first.",
        )
        for kind in DELAYS
    ] + [
        cfg.FloatOpt(
            "poll_interval",
            default=2.0,
            min=0.1,
            mutable=True,
            help="Seconds between two looks at nodes whose script says "
            "fake_<operation>_wait = poll.",
        )
    ]
