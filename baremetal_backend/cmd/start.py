# SPDX-License-Identifier: Apache-2.0
"""What all commands begin with: version, settings, log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata

from oslo_log import log

from baremetal_backend import conf
from baremetal_backend.conf import ConfigurationError, Settings

DISTRIBUTION = "nova-ironic-partition"


def version() -> str:
    """The installed release."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def settings(argv: Sequence[str] | None) -> Settings:
    """Read the configuration, start the log. Errors: ConfigurationError."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    options = conf.read(arguments, version())
    found = conf.settings(options)
    log.setup(options, conf.PROJECT)
    return found


def refuse(error: ConfigurationError) -> int:
    """Say why the command can't start, in one line. Returns the exit code."""
    text = " ".join(str(error).split())
    print(f"{conf.PROJECT}: {text}", file=sys.stderr)
    return 1
