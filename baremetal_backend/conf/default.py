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
        cfg.IntOpt(
            "graceful_shutdown_timeout",
            default=60,
            min=0,
            help="Seconds that running operations have to end after SIGTERM "
            "or SIGINT. What is not done by then ends in a failure state at "
            "the next start.",
        ),
    ]
