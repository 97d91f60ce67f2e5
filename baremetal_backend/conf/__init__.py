# SPDX-License-Identifier: Apache-2.0
"""Options, one file per group, and how they become ``Settings``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import stevedore
from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log

from baremetal_backend.conf import (
    api,
    conductor,
    console,
    default,
    discoverd,
    fake,
    interfaces,
    ipmi,
    metrics,
    middleware,
    power_sync,
    ssh,
)
from baremetal_backend.conf.settings import (
    ApiSettings,
    ConductorSettings,
    ConfigurationError,
    FakeSettings,
    MetricsSettings,
    Settings,
    settings,
)

PROJECT = "baremetal-backend"

_GROUPS: tuple[Any, ...] = (
    default,
    interfaces,
    api,
    conductor,
    power_sync,
    console,
    ipmi,
    discoverd,
    ssh,
    fake,
    metrics,
    middleware,
)

#: Entry points of this group are functions like ``list_opts`` that return the
#: options of a driver: [(group, options)].
DRIVER_OPTIONS = "baremetal_backend.options"

_DATABASE = "sqlite:///$state_path/baremetal.sqlite"


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """All options by group, for oslo-config-generator."""
    own = [(group.GROUP or "DEFAULT", group.options()) for group in _GROUPS]
    database = [("database", list(db_options.database_opts))]
    return list(itertools.chain(own, database))


def _driver_options() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """What installed drivers declare. Errors: ConfigurationError."""

    def failed(_manager: Any, entry_point: Any, error: BaseException) -> None:
        raise ConfigurationError(
            f"{entry_point.value}: the options of this installed driver "
            f"can't be loaded ({error}); repair or remove its package."
        ) from error

    found = stevedore.ExtensionManager(
        DRIVER_OPTIONS, on_load_failure_callback=failed
    )
    return [declared for one in found for declared in one.plugin()]


def read(argv: Sequence[str], version: str) -> cfg.ConfigOpts:
    """Options from the command line and the files that it names.

    Each call has options of its own; nothing is global. Errors:
    ConfigurationError. ``--help`` and ``--version`` end the process.
    """
    conf = cfg.ConfigOpts()
    for group in _GROUPS:
        conf.register_opts(group.options(), group=group.GROUP)
    for group, options in _driver_options():
        conf.register_opts(options, group=group)
    conf.register_opts(db_options.database_opts, group="database")
    db_options.set_defaults(conf, connection=_DATABASE)
    log.register_options(conf)
    log.set_defaults(
        default_log_levels=[
            *log.get_default_log_levels(),
            "alembic=WARNING",
            # What it logs of a host is said by the errors that it raises.
            "paramiko=CRITICAL",
            "waitress=WARNING",
        ]
    )
    try:
        conf(
            args=list(argv),
            project=PROJECT,
            version=version,
            description="A lightweight service that speaks the Bare Metal "
            "API: conductor and API in one process.",
        )
    except cfg.Error as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(text) from error
    return conf


__all__ = [
    "ApiSettings",
    "ConductorSettings",
    "ConfigurationError",
    "FakeSettings",
    "MetricsSettings",
    "Settings",
    "list_opts",
    "read",
    "settings",
]
