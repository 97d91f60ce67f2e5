# SPDX-License-Identifier: Apache-2.0
"""The driver's own options, in the service's configuration file."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """[(group, options)], as for oslo-config-generator."""
    return [
        (
            "shelf",
            [
                cfg.FloatOpt(
                    "timeout",
                    default=5.0,
                    min=0.1,
                    help="Seconds for one answer of a controller.",
                ),
                cfg.FloatOpt(
                    "poll_interval",
                    default=5.0,
                    min=0.1,
                    mutable=True,
                    help="Seconds between two looks at jobs that run.",
                ),
                cfg.FloatOpt(
                    "temperature_interval",
                    default=60.0,
                    min=0.1,
                    mutable=True,
                    help="Seconds between two looks at the temperatures.",
                ),
                cfg.BoolOpt(
                    "watch_temperature",
                    default=True,
                    mutable=True,
                    help="Whether temperatures are looked at.",
                ),
            ],
        )
    ]
