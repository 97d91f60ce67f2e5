# SPDX-License-Identifier: Apache-2.0
"""One process of the service, from its start to its end.

``start`` leaves nothing half-started behind: what fails is said in one line.
``stop`` leaves the rings, takes no more requests, lets operations end for a
while, and leaves the rest to whoever takes over.
"""

from __future__ import annotations

import enum
import logging
import queue
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from baremetal_backend.api.app import WsgiApp, make_app
from baremetal_backend.api.server import ApiServer
from baremetal_backend.conf.current import Current
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.drivers import loader
from baremetal_backend.metrics import Metrics
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.rpc.remote import Remote
from baremetal_backend.rpc.router import make_router
from baremetal_backend.runtime.conductor_process import (
    Around,
    ConductorProcess,
)
from baremetal_backend.runtime.opening import open_storage
from baremetal_backend.runtime.pieces import Piece, begin, thread
from baremetal_backend.storage import Storage

LOG = logging.getLogger(__name__)

# Seconds for requests that are being answered when the service stops.
_API_STOP = 10.0


class Serves(enum.Flag):
    """What a process is."""

    CONDUCTOR = enum.auto()
    API = enum.auto()
    ALL = CONDUCTOR | API


class Runtime:
    """One process: conductor, API, or both. Owned by the command."""

    def __init__(
        self,
        settings: Settings,
        serves: Serves = Serves.ALL,
        *,
        options: Any = None,
        reread: Callable[[Callable[[Settings], None]], Settings] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``options``: the oslo.config object, for libraries that read it
        themselves; ``reread``: the settings anew, for a reload, unless what
        it is given refuses them."""
        self._current = Current(settings)
        self._serves = serves
        self._options = options
        self._reread = reread
        self._clock = clock
        self._cleanup = ExitStack()
        # A queue that signal handlers may write to.
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = False
        #: Whether the process ended for another reason than being asked to.
        self.failed = False
        self._transport: Any = None
        self._metrics = Metrics(settings.metrics)
        self._conductor: ConductorProcess | None = None
        self._api: ApiServer | None = None

    # -- starting -------------------------------------------------------------

    def start(self) -> None:
        """From nothing to the first request. Errors: ConfigurationError."""
        try:
            self._start()
        except StorageUnavailable as error:
            self._cleanup.close()
            raise ConfigurationError(
                f"[database]connection: {error}"
            ) from error
        except BaseException:
            self._cleanup.close()
            raise

    def _start(self) -> None:
        settings = self._current.settings
        began = time.monotonic()
        registry = None
        if Serves.CONDUCTOR in self._serves:
            registry = loader.load(settings)
        storage = open_storage(settings, self._cleanup, self._clock)
        begin(self._cleanup, Piece(self._metrics.start, self._metrics.stop))
        if registry is not None:
            self._conductor = self._make_conductor(storage, registry)
        directory = self._directory(storage)
        remote = self._remote(directory)
        if self._conductor is not None:
            self._conductor.start(directory, self._transport)
        directory.refresh()
        if settings.rpc_transport != "none":
            begin(
                self._cleanup,
                thread("baremetal-members", directory.run, directory.stop),
            )
        if Serves.API in self._serves:
            self._serve_api(directory, storage, remote)
        served = directory.hardware_types()
        LOG.info(
            "%s %s serves %s; ready after %.2f s.",
            "Conductor" if self._conductor is not None else "The API on",
            settings.host,
            ", ".join(kind.name for kind in served) or "nothing yet",
            time.monotonic() - began,
        )

    def _make_conductor(
        self, storage: Storage, registry: loader.Registry
    ) -> ConductorProcess:
        return ConductorProcess(
            Around(
                current=self._current,
                storage=storage,
                registry=registry,
                metrics=self._metrics,
                clock=self._clock,
                options=self._options,
                give_up=self._give_up,
                stopping=lambda: self._stopping,
                cleanup=self._cleanup,
            )
        )

    def _directory(self, storage: Storage) -> Directory:
        settings = self._current.settings
        mine = self._conductor
        return Directory(
            storage.conductors,
            settings.conductor.heartbeat_timeout,
            own=mine.holder if mine is not None else None,
            solitary=settings.rpc_transport == "none",
            clock=self._clock,
        )

    def _remote(self, directory: Directory) -> Remote | None:
        if self._current.settings.rpc_transport == "none":
            return None
        try:
            from baremetal_backend.rpc import messaging
        except ImportError as error:
            raise ConfigurationError(
                f"[DEFAULT]rpc_transport: oslo needs what is not installed "
                f"({error}); install this package with its extra messaging."
            ) from error
        self._transport = messaging.make_transport(self._options)
        self._cleanup.callback(self._transport.cleanup)
        remote = messaging.MessagingRemote(self._transport, directory.serves)
        self._cleanup.callback(remote.stop)
        return remote

    def _serve_api(
        self, directory: Directory, storage: Storage, remote: Remote | None
    ) -> None:
        settings, mine = self._current.settings, self._conductor
        router = make_router(
            directory,
            storage,
            host=settings.host if mine is not None else None,
            local=mine.service if mine is not None else None,
            remote=remote,
        )
        self._start_api(
            make_app(
                router,
                directory,
                storage,
                settings.api,
                lambda: bool(directory.view.routing.members),
            )
        )

    def _start_api(self, app: WsgiApp) -> None:
        api = self._current.settings.api
        self._api = ApiServer(app, api)
        try:
            self._api.start()
        except OSError as error:
            raise ConfigurationError(
                f"[api]host_ip, [api]port: can't listen on {api.host_ip}:"
                f"{api.port}: {error.strerror or error}; choose another port "
                "or stop the process that has it."
            ) from error

    # -- running --------------------------------------------------------------

    def ask_stop(self) -> None:
        """End ``wait``. Safe in a signal handler."""
        self._stopping = True
        self._asked.put("stop")

    def _give_up(self) -> None:
        self.failed = True
        self.ask_stop()

    def ask_reload(self) -> None:
        """Read the configuration again. Safe in a signal handler."""
        self._asked.put("reload")

    def wait(self) -> None:
        """Until ``ask_stop``; reloads in between."""
        while not self._stopping:
            try:
                # In slices, so that signals are seen on every platform.
                asked = self._asked.get(timeout=60.0)
            except queue.Empty:
                continue
            if asked == "reload":
                self._reload()

    def _reload(self) -> None:
        if self._reread is None:
            return
        try:
            settings = self._reread(self._current.check)
        except ConfigurationError as error:
            LOG.error(
                "The new configuration is refused, the former one stays in "
                "force: %s",
                error,
            )
            return
        self._current.swap(settings)
        LOG.info("The configuration was read again.")

    # -- stopping -------------------------------------------------------------

    def stop(self) -> bool:
        """End everything. False if operations had to be left unfinished."""
        LOG.info("Stopping: no more requests are taken.")
        if self._conductor is not None:
            self._conductor.close()
        if self._api is not None:
            self._api.stop(_API_STOP)
        idle = self._conductor is None or self._conductor.wait_idle()
        self._cleanup.close()
        LOG.info("Stopped.")
        return idle
