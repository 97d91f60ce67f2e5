# SPDX-License-Identifier: Apache-2.0
"""The configuration as one frozen, checked value.

Everything behind the command line gets a ``Settings`` (or a part of it) and
never sees oslo.config. Whatever can be wrong with an option is found here,
once, and said with the option's name and the way out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from oslo_config import cfg

from baremetal_backend.conf.fake import DELAYS
from baremetal_backend.storage.database import DatabaseOptions


class ConfigurationError(Exception):
    """One line: the option, what is wrong with it, what to do."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``[api]``."""

    host_ip: str = "127.0.0.1"
    port: int = 6385
    max_limit: int = 1000
    public_endpoint: str | None = None
    threads: int = 16
    max_request_body_size: int = 64 * 1024 * 1024
    #: ``[oslo_middleware]``, as in other services.
    enable_proxy_headers_parsing: bool = False


@dataclass(frozen=True, slots=True)
class ConductorSettings:
    """``[conductor]``."""

    workers_pool_size: int = 100
    conductor_group: str = ""
    automated_clean: bool = True
    node_locked_retry_attempts: int = 3
    node_locked_retry_interval: float = 1.0
    soft_power_off_timeout: int = 600
    allow_deleting_available_nodes: bool = True


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """``[fake]``: interface type to (least, most) seconds."""

    delays: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the service was told."""

    host: str
    state_path: str
    database: DatabaseOptions
    auth_strategy: str = "noauth"
    enabled_hardware_types: tuple[str, ...] = ("fake-hardware",)
    graceful_shutdown_timeout: int = 60
    api: ApiSettings = field(default_factory=ApiSettings)
    conductor: ConductorSettings = field(default_factory=ConductorSettings)
    fake: FakeSettings = field(default_factory=FakeSettings)


def settings(conf: cfg.ConfigOpts) -> Settings:
    """Read and check every option. Errors: ConfigurationError."""
    try:
        return _settings(conf)
    except (cfg.Error, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(text) from error


def _settings(conf: cfg.ConfigOpts) -> Settings:
    if not conf.host or len(conf.host) > 255:
        raise ConfigurationError(
            "[DEFAULT]host: give this conductor a name of 1 to 255 characters."
        )
    types = tuple(dict.fromkeys(t for t in conf.enabled_hardware_types if t))
    if not types:
        raise ConfigurationError(
            "[DEFAULT]enabled_hardware_types: is empty; name at least one, "
            "such as fake-hardware."
        )
    _check_access(conf)
    return Settings(
        host=conf.host,
        state_path=conf.state_path,
        auth_strategy=conf.auth_strategy,
        enabled_hardware_types=types,
        graceful_shutdown_timeout=conf.graceful_shutdown_timeout,
        api=ApiSettings(
            host_ip=conf.api.host_ip,
            port=conf.api.port,
            max_limit=conf.api.max_limit,
            public_endpoint=conf.api.public_endpoint,
            threads=conf.api.threads,
            max_request_body_size=conf.api.max_request_body_size,
            enable_proxy_headers_parsing=(
                conf.oslo_middleware.enable_proxy_headers_parsing
            ),
        ),
        database=DatabaseOptions(
            connection=conf.database.connection,
            sqlite_synchronous=conf.database.sqlite_synchronous,
            max_pool_size=conf.database.max_pool_size or 20,
            max_overflow=conf.database.max_overflow or 50,
            connection_recycle_time=conf.database.connection_recycle_time,
        ),
        conductor=ConductorSettings(
            workers_pool_size=conf.conductor.workers_pool_size,
            conductor_group=conf.conductor.conductor_group.lower(),
            automated_clean=conf.conductor.automated_clean,
            node_locked_retry_attempts=(
                conf.conductor.node_locked_retry_attempts
            ),
            node_locked_retry_interval=(
                conf.conductor.node_locked_retry_interval
            ),
            soft_power_off_timeout=conf.conductor.soft_power_off_timeout,
            allow_deleting_available_nodes=(
                conf.conductor.allow_deleting_available_nodes
            ),
        ),
        fake=FakeSettings(
            delays={
                kind: _delay(f"[fake]{kind}_delay", conf.fake[f"{kind}_delay"])
                for kind in DELAYS
            }
        ),
    )


def _check_access(conf: cfg.ConfigOpts) -> None:
    if conf.auth_strategy != "noauth":
        raise ConfigurationError(
            f'[DEFAULT]auth_strategy: "{conf.auth_strategy}" is not offered; '
            "the choices are: noauth."
        )
    address = conf.api.host_ip
    if is_loopback(address) or conf.api.allow_noauth_beyond_loopback:
        return
    raise ConfigurationError(
        f"[api]host_ip: {address} can be reached by other machines, and "
        "auth_strategy=noauth lets everyone in; listen on 127.0.0.1, or set "
        "[api]allow_noauth_beyond_loopback = true if the network is the fence."
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _delay(option: str, text: str) -> tuple[float, float]:
    try:
        return parse_delay(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error


def parse_delay(value: object) -> tuple[float, float]:
    """(least, most) seconds of ``2``, ``"2"`` or ``"1,3"``.

    Errors: ValueError with a sentence.
    """
    problem = (
        f'"{value}" is not a delay; give seconds as a number such as 2.5, '
        'or a range such as "1,3".'
    )
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(problem)
    parts = str(value).split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise ValueError(problem) from None
    low, high = numbers[0], numbers[-1]
    # One day: longer is a slip of the pen, and NaN compares false.
    if len(numbers) > 2 or not 0 <= low <= high <= 86400:
        raise ValueError(problem)
    return low, high
