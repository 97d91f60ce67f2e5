# SPDX-License-Identifier: Apache-2.0
"""``[discoverd]``: the service that inspects nodes from within.

The name is the one of the first such service; its successor is
ironic-inspector. Options for authentication and TLS are keystoneauth's.
"""

from __future__ import annotations

import copy
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = "discoverd"

#: Choices of ``auth_type``: plugins of keystoneauth.
AUTH_TYPES = ("none", "http_basic", "password")

# Of keystoneauth's options for sessions: the others are not about access, or
# have an option of their own here.
_TLS = ("cafile", "certfile", "keyfile", "insecure")


@dataclass(frozen=True, slots=True)
class DiscoverdSettings:
    """``[discoverd]``. Times: seconds."""

    enabled: bool = False
    service_url: str | None = None
    auth_type: str = "none"
    #: Arguments of the plugin for authentication, by keystoneauth's names.
    auth_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    insecure: bool = False
    connect_timeout: float = 5.0
    start_timeout: float = 75.0
    request_timeout: float = 30.0
    max_parallel_requests: int = 8
    status_check_period: int = 60
    overwrite_existing: bool = False


def options() -> list[cfg.Opt]:
    """The options of this group."""
    default = DiscoverdSettings()
    return [
        cfg.BoolOpt(
            "enabled",
            default=default.enabled,
            help="Inspect nodes by the service at service_url. Nodes whose "
            "inspect_interface is discoverd (or inspector) can't be inspected "
            "while this is false.",
        ),
        cfg.StrOpt(
            "service_url",
            help="Where the inspection service answers, such as "
            "http://127.0.0.1:5050/v1.",
        ),
        cfg.IntOpt(
            "status_check_period",
            default=default.status_check_period,
            mutable=True,
            help="Seconds between two questions to the service about all "
            "nodes that it inspects. 0 or less: nobody asks, and an "
            "inspection ends with [conductor]inspect_wait_timeout only.",
        ),
        cfg.FloatOpt(
            "connect_timeout",
            default=default.connect_timeout,
            min=0.1,
            help="Seconds until a connection to the service has to stand.",
        ),
        cfg.FloatOpt(
            "start_timeout",
            default=default.start_timeout,
            min=1.0,
            help="Seconds that the service may take to accept a node. It asks "
            "the Bare Metal API meanwhile; ironic-inspector itself gives up "
            "after 60.",
        ),
        cfg.FloatOpt(
            "request_timeout",
            default=default.request_timeout,
            min=0.5,
            help="Seconds that it may take to answer anything else.",
        ),
        cfg.IntOpt(
            "max_parallel_requests",
            default=default.max_parallel_requests,
            min=1,
            max=100,
            help="Requests to the service about single nodes that are on "
            "their way at the same time.",
        ),
        cfg.BoolOpt(
            "overwrite_existing",
            default=default.overwrite_existing,
            help="Let an inspection replace cpus, cpu_arch, memory_mb, "
            "local_gb and capabilities that a node has already. Otherwise "
            "these are put back when it ends, and only missing ones are "
            "filled in.",
        ),
        cfg.StrOpt(
            "auth_type",
            default=default.auth_type,
            choices=AUTH_TYPES,
            help="How this service shows the inspection service who it is.",
        ),
        *(
            one
            for one in loading.get_session_conf_options()
            if one.dest in _TLS
        ),
        *_authentication(),
    ]


def _authentication() -> Iterable[cfg.Opt]:
    """What the plugins need; an option that two of them have is one."""
    found: dict[str, cfg.Opt] = {}
    # Where two have an option, the more general explanation is the later's.
    for name in AUTH_TYPES:
        for one in loading.get_auth_plugin_conf_options(name):
            found[one.dest] = copy.copy(one)
            # Whether it is depends on auth_type: ``read`` looks.
            found[one.dest].required = False
    # The service's address is service_url, whatever the authentication.
    del found["endpoint"]
    return found.values()


def read(conf: cfg.ConfigOpts) -> DiscoverdSettings:
    """Errors: ValueError that names the option."""
    found = conf[GROUP]
    if found.service_url is not None:
        _check_url(found.service_url)
    wanted = {
        one.dest: found[one.dest]
        for one in loading.get_auth_plugin_conf_options(found.auth_type)
        if one.dest != "endpoint" and found[one.dest] is not None
    }
    if found.enabled:
        _check_authentication(found.auth_type, wanted)
    return DiscoverdSettings(
        enabled=found.enabled,
        service_url=found.service_url,
        auth_type=found.auth_type,
        auth_options=wanted,
        cafile=found.cafile,
        certfile=found.certfile,
        keyfile=found.keyfile,
        insecure=found.insecure,
        connect_timeout=found.connect_timeout,
        start_timeout=found.start_timeout,
        request_timeout=found.request_timeout,
        max_parallel_requests=found.max_parallel_requests,
        status_check_period=found.status_check_period,
        overwrite_existing=found.overwrite_existing,
    )


def _check_url(url: str) -> None:
    """What it shows has neither a password nor a token in it."""
    if "@" in url:
        raise ValueError(
            "[discoverd]service_url: must not hold a user's name or password; "
            "use [discoverd]username and password with auth_type = http_basic."
        )
    if "?" in url or "#" in url:
        raise ValueError(
            "[discoverd]service_url: must have neither a query (?) nor a "
            "fragment (#); write http://HOST:5050/v1, or https."
        )
    if not _is_address(url):
        raise ValueError(
            f"[discoverd]service_url: {url} is not the address of a service; "
            "write http://HOST:5050/v1, or https."
        )


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        # Reading it is what checks it.
        is_port = parts.port != 0
    except ValueError:
        return False
    known = parts.scheme in ("http", "https")
    return known and bool(parts.hostname) and is_port


def _check_authentication(auth_type: str, given: Mapping[str, Any]) -> None:
    needed = {
        "http_basic": ("username", "password"),
        "password": ("auth_url", "password"),
    }
    for name in needed.get(auth_type, ()):
        if not given.get(name):
            raise ValueError(
                f"[discoverd]{name}: is missing; auth_type = {auth_type} "
                "needs it."
            )


__all__ = ["AUTH_TYPES", "DiscoverdSettings", "options", "read"]
