# SPDX-License-Identifier: Apache-2.0
"""What all commands begin with: version, settings, log, signals."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from types import FrameType
from typing import TYPE_CHECKING

from oslo_config import cfg
from oslo_log import log

from baremetal_backend import conf
from baremetal_backend.conf import ConfigurationError, Settings

if TYPE_CHECKING:
    from baremetal_backend.runtime import Runtime

# Seconds for threads that were told to end.
_LAST_WAIT = 2.0

DISTRIBUTION = "nova-ironic-partition"


def version() -> str:
    """The installed release."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


class Configuration:
    """The command line, and what it stands for whenever it is read."""

    def __init__(self, argv: Sequence[str] | None) -> None:
        """Read it, start the log. Errors: ConfigurationError."""
        self._arguments = sys.argv[1:] if argv is None else list(argv)
        self.options: cfg.ConfigOpts = conf.read(self._arguments, version())
        self.settings: Settings = conf.settings(self.options)
        log.setup(self.options, conf.PROJECT)

    def again(self, check: Callable[[Settings], None]) -> Settings:
        """Read the files anew: mutable options as they are there, all others
        as they were. Errors: ConfigurationError, also ``check``'s; nothing is
        changed then.
        """
        # A copy is checked first: what mutates can't be taken back.
        check(conf.settings(conf.read(self._arguments, version())))
        try:
            # Says which immutable options were changed in vain, and lets
            # the log follow its own options.
            self.options.mutate_config_files()
        except cfg.Error as error:
            raise ConfigurationError(str(error)) from error
        return conf.settings(self.options)


def settings(argv: Sequence[str] | None) -> Settings:
    """Read the configuration, start the log. Errors: ConfigurationError."""
    return Configuration(argv).settings


def run_one_of_several(
    argv: Sequence[str] | None, command: str, serves: str
) -> int:
    """A process that is only a part of the service; returns the exit code.

    ``serves``: name of a ``runtime.Serves``.
    """
    try:
        found = Configuration(argv)
        _require_messages(found.settings, command)
    except ConfigurationError as error:
        return refuse(error)
    from baremetal_backend.runtime import Runtime, Serves

    return run(
        Runtime(
            found.settings,
            Serves[serves],
            options=found.options,
            reread=found.again,
        )
    )


def _require_messages(found: Settings, command: str) -> None:
    """Refuse a process that no other one could reach."""
    if found.rpc_transport == "none":
        raise ConfigurationError(
            f"[DEFAULT]rpc_transport: is none, and {command} is one process "
            "of several; set rpc_transport = oslo with a transport_url, or "
            "start baremetal-backend, which is all in one."
        )


def run(runtime: Runtime) -> int:
    """Run a process until a signal ends it. Returns the exit code."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        runtime.ask_stop()

    def reload(_number: int, _frame: FrameType | None) -> None:
        runtime.ask_reload()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, reload)
    try:
        runtime.start()
    except ConfigurationError as error:
        return refuse(error)
    runtime.wait()
    idle = runtime.stop()
    code = 1 if runtime.failed else 0
    if not idle or _threads_are_left():
        # What hangs in a driver would keep the interpreter for ever.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    return code


def _threads_are_left() -> bool:
    """Whether threads that the interpreter waits for do not end."""
    deadline = time.monotonic() + _LAST_WAIT
    for one in threading.enumerate():
        if one is not threading.current_thread() and not one.daemon:
            one.join(max(0.0, deadline - time.monotonic()))
            if one.is_alive():
                return True
    return False


def refuse(error: ConfigurationError) -> int:
    """Say why the command can't start, in one line. Returns the exit code."""
    text = " ".join(str(error).split())
    print(f"{conf.PROJECT}: {text}", file=sys.stderr)
    return 1
