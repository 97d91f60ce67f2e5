# SPDX-License-Identifier: Apache-2.0
"""``[api]``: where and how the Bare Metal API answers."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "api"


def options() -> list[cfg.Opt]:
    """The options of this group."""
    return [
        cfg.HostAddressOpt(
            "host_ip",
            default="127.0.0.1",
            help="Address to listen on.",
        ),
        cfg.PortOpt(
            "port",
            default=6385,
            help="Port to listen on; 0 lets the system choose one.",
        ),
        cfg.IntOpt(
            "max_limit",
            default=1000,
            min=1,
            help="Most records in one answer; longer lists have a next link.",
        ),
        cfg.URIOpt(
            "public_endpoint",
            schemes=["http", "https"],
            help="URL under which clients reach this service, if it is not "
            "the one that they connect to (a proxy, TLS in front). Links in "
            "answers begin with it.",
        ),
        cfg.IntOpt(
            "threads",
            default=32,
            min=2,
            help="Requests that are worked on at the same time. At most half "
            "of them may wait for hardware; further ones of these are "
            "answered with 503.",
        ),
        cfg.IntOpt(
            "max_request_body_size",
            default=64 * 1024 * 1024,
            min=1024,
            help="Bytes; a larger request is answered with 413. A config "
            "drive comes in a request body.",
        ),
        cfg.BoolOpt(
            "allow_noauth_beyond_loopback",
            default=False,
            help="With auth_strategy=noauth, also listen on an address that "
            "other machines can reach. Whoever reaches it can erase every "
            "node; set this only where the network itself is the fence.",
        ),
        cfg.IntOpt(
            "ramdisk_heartbeat_timeout",
            default=300,
            min=1,
            help="Seconds that a ramdisk is told to report within.",
        ),
    ]
