# SPDX-License-Identifier: Apache-2.0
"""``[DEFAULT]``: who this process is."""

from __future__ import annotations

import os
import socket

from oslo_config import cfg

GROUP = None


def default_state_path() -> str:
    """A directory that this user can write and that survives a reboot."""
    if os.geteuid() == 0:
        return "/var/lib/baremetal-backend"
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser(
        "~/.local/state"
    )
    return os.path.join(home, "baremetal-backend")


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.StrOpt(
            "host",
            default=socket.gethostname(),
            sample_default="localhost",
            help="Name of this conductor, unique among all conductors of one "
            "database. Nodes in use show it as their reservation; keep it "
            "when the machine is renamed.",
        ),
        cfg.StrOpt(
            "state_path",
            default=default_state_path(),
            sample_default="/var/lib/baremetal-backend",
            help="Directory for the SQLite database and this process's lock.",
        ),
        cfg.StrOpt(
            "auth_strategy",
            default="noauth",
            help="How clients prove who they are. Only noauth is offered: "
            "everyone who reaches the address may do everything.",
        ),
        cfg.ListOpt(
            "enabled_hardware_types",
            default=["fake-hardware"],
            help="Hardware types that nodes may have as their driver.",
        ),
        cfg.StrOpt(
            "rpc_transport",
            default="none",
            choices=[
                (
                    "none",
                    "One process is API and conductor, and the only one on "
                    "its database.",
                ),
                (
                    "oslo",
                    "Several processes on one database; oslo.messaging "
                    "carries requests to the conductor that owns the node, "
                    "through the broker of [DEFAULT]transport_url.",
                ),
            ],
            help="How requests reach conductors.",
        ),
        cfg.IntOpt(
            "graceful_shutdown_timeout",
            default=60,
            mutable=True,
            min=0,
            help="Seconds that running operations have to end after SIGTERM "
            "or SIGINT. What is not done by then ends in a failure state at "
            "the next start.",
        ),
        cfg.StrOpt(
            "notification_level",
            choices=["debug", "info", "warning", "error", "critical"],
            help="Announce changes of nodes by oslo.messaging notifications "
            "of at least this severity; unset, none are sent. Where they go "
            "says the group oslo_messaging_notifications; its driver is "
            "messagingv2 unless it says otherwise.",
        ),
        cfg.ListOpt(
            "versioned_notifications_topics",
            default=["ironic_versioned_notifications"],
            help="Topics of these notifications.",
        ),
    ]
