# SPDX-License-Identifier: Apache-2.0
"""``[metrics]``: where each process shows its figures."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "metrics"


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.HostAddressOpt(
            "host_ip",
            help="Address at which this process shows its figures to "
            "Prometheus, as plain HTTP for everyone who reaches it. Unset: "
            "it shows none.",
        ),
        cfg.PortOpt(
            "port",
            default=9385,
            help="Port for that; 0 lets the system choose one. Each process "
            "on a machine needs its own.",
        ),
    ]
