# SPDX-License-Identifier: Apache-2.0
"""``[conductor]``: how operations on nodes are carried out."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "conductor"


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.IntOpt(
            "workers_pool_size",
            default=100,
            min=3,
            max=1000,
            help="Operations that may need a thread at the same time. When "
            "all are busy, a further request is answered with 503 and the "
            "node stays as it is.",
        ),
        cfg.StrOpt(
            "conductor_group",
            default="",
            help="Group of this conductor; it serves the nodes of the same "
            "group. One conductor alone serves all groups.",
        ),
        cfg.BoolOpt(
            "automated_clean",
            default=True,
            help="Clean a node before it becomes available, unless the "
            "node's own automated_clean says otherwise.",
        ),
        cfg.IntOpt(
            "node_locked_retry_attempts",
            default=3,
            min=0,
            help="How often a request tries again to get a node that another "
            "operation is using, before it is answered with 409.",
        ),
        cfg.FloatOpt(
            "node_locked_retry_interval",
            default=1.0,
            min=0.0,
            help="Seconds between two of these attempts; a node that becomes "
            "free in between is taken at once.",
        ),
        cfg.IntOpt(
            "soft_power_off_timeout",
            default=600,
            min=1,
            help="Seconds that an operating system has to shut down when it "
            "is asked to.",
        ),
        cfg.BoolOpt(
            "allow_deleting_available_nodes",
            default=True,
            help="Allow a node to be deleted while it is available.",
        ),
    ]
