# SPDX-License-Identifier: Apache-2.0
"""``[ssh]``: how hosts of virtual machines are reached."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

GROUP = "ssh"

REJECT, ACCEPT = "reject", "accept"


@dataclass(frozen=True, slots=True)
class SshSettings:
    """``[ssh]``. Times are in seconds."""

    connect_timeout: float = 10.0
    command_timeout: float = 30.0
    max_sessions: int = 4
    key_directory: str = "/etc/baremetal-backend/ssh"
    known_hosts: str = "/etc/baremetal-backend/ssh/known_hosts"
    host_key_policy: str = REJECT


def options() -> list[cfg.Opt]:
    """The options of this group."""
    default = SshSettings()
    return [
        cfg.FloatOpt(
            "connect_timeout",
            default=default.connect_timeout,
            min=1.0,
            max=600.0,
            help="Seconds within which a host has to accept a connection and "
            "the login.",
        ),
        cfg.FloatOpt(
            "command_timeout",
            default=default.command_timeout,
            min=1.0,
            max=600.0,
            help="Seconds that a command on the host may take. It is killed "
            "there when they are over.",
        ),
        cfg.IntOpt(
            "max_sessions",
            default=default.max_sessions,
            min=1,
            help="Most sessions with one host at a time. sshd drops some of "
            "those beyond ten that have not logged in yet (MaxStartups).",
        ),
        cfg.StrOpt(
            "key_directory",
            default=default.key_directory,
            help="The directory of the files that nodes may name as their "
            "driver_info ssh_key_filename. Files elsewhere are not read.",
        ),
        cfg.StrOpt(
            "known_hosts",
            default=default.known_hosts,
            help="A file with keys of hosts, as OpenSSH's: plain or hashed "
            "names, without wildcards. It is read at each connection, and "
            "need not exist.",
        ),
        cfg.StrOpt(
            "host_key_policy",
            default=default.host_key_policy,
            choices=[
                (REJECT, "no session with a host whose key nobody gave"),
                (
                    ACCEPT,
                    "any key of a host that is in neither place: whoever is "
                    "in between reads passwords and switches machines",
                ),
            ],
            help="What to do with a host whose key is neither in the node's "
            "driver_info ssh_host_key nor in known_hosts. A key that differs "
            "from the given one is refused in any case.",
        ),
    ]


def read(conf: cfg.ConfigOpts) -> SshSettings:
    """What the options say."""
    return SshSettings(
        connect_timeout=conf.ssh.connect_timeout,
        command_timeout=conf.ssh.command_timeout,
        max_sessions=conf.ssh.max_sessions,
        key_directory=conf.ssh.key_directory,
        known_hosts=conf.ssh.known_hosts,
        host_key_policy=conf.ssh.host_key_policy,
    )


__all__ = ["ACCEPT", "GROUP", "REJECT", "SshSettings", "options", "read"]
