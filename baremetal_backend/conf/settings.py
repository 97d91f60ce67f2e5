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
from typing import Any

from oslo_config import cfg

from baremetal_backend.conf import console, discoverd, ipmi, power_sync, ssh
from baremetal_backend.conf.console import ConsoleSettings
from baremetal_backend.conf.discoverd import DiscoverdSettings
from baremetal_backend.conf.fake import DELAYS
from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.conf.power_sync import PowerSettings
from baremetal_backend.conf.ssh import SshSettings
from baremetal_backend.core.patience import Patience
from baremetal_backend.core.records import INTERFACES
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
    threads: int = 32
    max_request_body_size: int = 64 * 1024 * 1024
    ramdisk_heartbeat_timeout: int = 300
    #: ``[oslo_middleware]``, as in other services.
    enable_proxy_headers_parsing: bool = False


@dataclass(frozen=True, slots=True)
class ConductorSettings:
    """``[conductor]``."""

    workers_pool_size: int = 100
    operator_workers: int = 20
    background_workers: int = 16
    background_shed_above: int = 80
    background_lease_limit: float = 15.0
    stalled_work_timeout: float = 3600.0
    conductor_group: str = ""
    heartbeat_interval: float = 10.0
    heartbeat_timeout: float = 60.0
    automated_clean: bool = True
    node_locked_retry_attempts: int = 3
    node_locked_retry_interval: float = 1.0
    soft_power_off_timeout: int = 600
    allow_deleting_available_nodes: bool = True
    periodic_max_workers: int = 8
    #: ``interface.step`` to the priority that an operator gave it.
    clean_step_priorities: Mapping[str, int] = field(default_factory=dict)
    deploy_step_priorities: Mapping[str, int] = field(default_factory=dict)
    verify_step_priorities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """``[metrics]``."""

    #: None: no figures are shown.
    host_ip: str | None = None
    port: int = 9385


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
    #: Interface type to the names that nodes may have; missing: all.
    enabled_interfaces: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )
    #: Interface type to the name that comes first where it is offered.
    default_interfaces: Mapping[str, str] = field(default_factory=dict)
    #: ``none`` (one process is all there is) or ``oslo``.
    rpc_transport: str = "none"
    graceful_shutdown_timeout: int = 60
    #: None: nothing is announced.
    notification_level: str | None = None
    versioned_notifications_topics: tuple[str, ...] = (
        "ironic_versioned_notifications",
    )
    api: ApiSettings = field(default_factory=ApiSettings)
    conductor: ConductorSettings = field(default_factory=ConductorSettings)
    power: PowerSettings = field(default_factory=PowerSettings)
    ipmi: IpmiSettings = field(default_factory=IpmiSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    discoverd: DiscoverdSettings = field(default_factory=DiscoverdSettings)
    ssh: SshSettings = field(default_factory=SshSettings)
    fake: FakeSettings = field(default_factory=FakeSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    #: Every declared option, also those that drivers declare, by its name
    #: with its group: ``conductor.automated_clean``.
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def option(self, name: str) -> Any:
        """An option that is only known by name. Errors: KeyError."""
        return self.options[name]


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
    _check_conductors(conf)
    return Settings(
        host=conf.host,
        state_path=conf.state_path,
        auth_strategy=conf.auth_strategy,
        enabled_hardware_types=types,
        enabled_interfaces={
            kind: tuple(names)
            for kind in INTERFACES
            if (names := conf[f"enabled_{kind}_interfaces"])
        },
        default_interfaces={
            kind: name
            for kind in INTERFACES
            if (name := conf[f"default_{kind}_interface"])
        },
        rpc_transport=conf.rpc_transport,
        graceful_shutdown_timeout=conf.graceful_shutdown_timeout,
        notification_level=conf.notification_level,
        versioned_notifications_topics=tuple(
            conf.versioned_notifications_topics
        ),
        api=ApiSettings(
            host_ip=conf.api.host_ip,
            port=conf.api.port,
            max_limit=conf.api.max_limit,
            public_endpoint=conf.api.public_endpoint,
            threads=conf.api.threads,
            max_request_body_size=conf.api.max_request_body_size,
            ramdisk_heartbeat_timeout=conf.api.ramdisk_heartbeat_timeout,
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
            patience=Patience(
                db_max_retries=conf.database.db_max_retries,
                db_retry_interval=conf.database.db_retry_interval,
                db_max_retry_interval=conf.database.db_max_retry_interval,
            ),
        ),
        conductor=ConductorSettings(
            workers_pool_size=conf.conductor.workers_pool_size,
            operator_workers=conf.conductor.operator_workers,
            background_workers=conf.conductor.background_workers,
            background_shed_above=conf.conductor.background_shed_above,
            background_lease_limit=conf.conductor.background_lease_limit,
            stalled_work_timeout=conf.conductor.stalled_work_timeout,
            conductor_group=conf.conductor.conductor_group.lower(),
            heartbeat_interval=conf.conductor.heartbeat_interval,
            heartbeat_timeout=conf.conductor.heartbeat_timeout,
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
            periodic_max_workers=conf.conductor.periodic_max_workers,
            clean_step_priorities=_priorities(conf, "clean"),
            deploy_step_priorities=_priorities(conf, "deploy"),
            verify_step_priorities=_priorities(conf, "verify"),
        ),
        power=power_sync.read(conf),
        ipmi=ipmi.read(conf),
        console=console.read(conf),
        discoverd=discoverd.read(conf),
        ssh=ssh.read(conf),
        fake=FakeSettings(
            delays={
                kind: _delay(f"[fake]{kind}_delay", conf.fake[f"{kind}_delay"])
                for kind in DELAYS
            }
        ),
        metrics=MetricsSettings(
            host_ip=conf.metrics.host_ip, port=conf.metrics.port
        ),
        options=_all_options(conf),
    )


def _all_options(conf: cfg.ConfigOpts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in conf.items():
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            found |= {f"{name}.{one}": value[one] for one in value}
        else:
            found[f"DEFAULT.{name}"] = value
    return found


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


def _check_conductors(conf: cfg.ConfigOpts) -> None:
    interval = conf.conductor.heartbeat_interval
    timeout = conf.conductor.heartbeat_timeout
    if timeout < 3 * interval:
        raise ConfigurationError(
            f"[conductor]heartbeat_timeout: {timeout:g} s is less than three "
            f"times heartbeat_interval ({interval:g} s): one late renewal "
            "would end a conductor; make it longer."
        )
    if conf.rpc_transport != "none" and conf.database.connection.startswith(
        "sqlite"
    ):
        raise ConfigurationError(
            "[DEFAULT]rpc_transport: is for several processes, and an SQLite "
            "file is for one; set rpc_transport = none, or use MariaDB or "
            "PostgreSQL in [database]connection."
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _priorities(conf: cfg.ConfigOpts, kind: str) -> dict[str, int]:
    option = f"{kind}_step_priority_override"
    found = {}
    for one in conf.conductor[option] or ():
        for name, priority in one.items():
            if name.count(".") != 1 or not str(priority).isdecimal():
                raise ConfigurationError(
                    f'[conductor]{option}: "{name}:{priority}" is not a '
                    "step and its priority; write interface.step:number."
                )
            found[name] = int(priority)
    return found


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
