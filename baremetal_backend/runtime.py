# SPDX-License-Identifier: Apache-2.0
"""Every thread of the service, in one place: who starts it, who ends it.

================== ======= ===========================================
thread             number  purpose
================== ======= ===========================================
MainThread         1       waits for a signal
baremetal-timer    1       wakes paused operations
baremetal-work_*   0..size operations on nodes
api, waitress-*    1+n     HTTP (``api.server``)
================== ======= ===========================================

``start`` leaves nothing half-started behind: what fails is said in one line.
``stop`` takes no more requests, lets operations end for a while, and leaves
the rest to the next start's recovery.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from baremetal_backend.api.app import WsgiApp, make_app
from baremetal_backend.api.server import ApiServer
from baremetal_backend.claim import open_database
from baremetal_backend.conductor.held_node import Surroundings
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.recovery import recover_nodes
from baremetal_backend.conductor.service import ConductorService
from baremetal_backend.conductor.task import TaskManager
from baremetal_backend.conductor.timer import ThreadTimer
from baremetal_backend.conductor.workers import Lane
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.drivers import loader
from baremetal_backend.storage import Storage
from baremetal_backend.storage.migrate import (
    SchemaError,
    require_current,
    upgrade,
)

LOG = logging.getLogger(__name__)

# Seconds for requests that are being answered when the service stops.
_API_STOP = 10.0


class Runtime:
    """Conductor and API in one process. Owned by the command."""

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._cleanup = ExitStack()
        self._stop_asked = threading.Event()
        self._tasks: TaskManager
        self.api: ApiServer

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
        settings, clock = self._settings, self._clock
        began = time.monotonic()
        registry = loader.load(settings)
        storage = open_storage(settings, self._cleanup, clock)
        recover_nodes(storage, settings.host, clock)
        timer = self._start_timer()
        lane = Lane("work", settings.conductor.workers_pool_size)
        self._cleanup.callback(lane.stop)
        self._tasks = TaskManager(
            Surroundings(
                host=settings.host,
                settings=settings.conductor,
                storage=storage,
                registry=registry,
                lane=lane,
                timer=timer,
                clock=clock,
            )
        )
        conductor = ConductorService(
            Context(
                settings=settings,
                storage=storage,
                registry=registry,
                tasks=self._tasks,
                clock=clock,
                sleep=time.sleep,
                started_at=timestamp(clock()),
            )
        )
        self._start_api(make_app(conductor, storage, settings.api))
        LOG.info(
            "Conductor %s serves %s; ready after %.2f s.",
            settings.host,
            ", ".join(registry.types),
            time.monotonic() - began,
        )

    def _start_timer(self) -> ThreadTimer:
        timer = ThreadTimer()
        thread = threading.Thread(
            target=timer.run, name="baremetal-timer", daemon=True
        )
        thread.start()
        self._cleanup.callback(thread.join, 5.0)
        self._cleanup.callback(timer.stop)
        return timer

    def _start_api(self, app: WsgiApp) -> None:
        api = self._settings.api
        self.api = ApiServer(app, api)
        try:
            self.api.start()
        except OSError as error:
            raise ConfigurationError(
                f"[api]host_ip, [api]port: can't listen on {api.host_ip}:"
                f"{api.port}: {error.strerror or error}; choose another port "
                "or stop the process that has it."
            ) from error

    def ask_stop(self) -> None:
        """End ``wait``. Safe in a signal handler."""
        self._stop_asked.set()

    def wait(self) -> None:
        """Until ``ask_stop``."""
        # In slices, so that signals are seen on every platform.
        while not self._stop_asked.wait(60.0):
            pass

    def stop(self) -> bool:
        """End everything. False if operations had to be left unfinished."""
        LOG.info("Stopping: no more requests are taken.")
        self._tasks.close()
        self.api.stop(_API_STOP)
        patience = self._settings.graceful_shutdown_timeout
        idle = self._tasks.wait_idle(patience)
        if not idle:
            LOG.error(
                "%d operations did not end within %d s "
                "([DEFAULT]graceful_shutdown_timeout); their nodes fail at "
                "the next start.",
                self._tasks.running,
                patience,
            )
        self._cleanup.close()
        LOG.info("Stopped.")
        return idle


def open_storage(
    settings: Settings,
    cleanup: ExitStack,
    clock: Callable[[], float] = time.time,
) -> Storage:
    """Open the database as the only process that may.

    An SQLite file is brought up to this release; any other database has to
    be up already. Errors: ConfigurationError.
    """
    database = open_database(settings, cleanup)
    try:
        if database.is_sqlite:
            upgrade(database)
        else:
            require_current(database)
    except (SchemaError, StorageUnavailable) as error:
        raise ConfigurationError(f"[database]connection: {error}") from error
    return Storage(database, clock)
