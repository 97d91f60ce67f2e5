# SPDX-License-Identifier: Apache-2.0
"""Every thread of the service, in one place: who starts it, who ends it.

==================== ======= ===========================================
thread               number  purpose
==================== ======= ===========================================
MainThread           1       waits for a signal; reloads
baremetal-beat       1       renews this conductor's record and leases
baremetal-members    1       looks who else is there
baremetal-takeover   1       repairs what conductors left behind
baremetal-timer      1       wakes paused operations
baremetal-<lane>_*   0..size operations on nodes
baremetal-periodic   1       begins periodic tasks when they are due
periodic-<task>      0..n    one run of a periodic task
baremetal-metrics    0..1    shows figures (``metrics``), and its requests
baremetal-call_*     0..n    wait for other conductors
baremetal-notices    0..1    publishes notifications (``publisher``)
api, waitress-*      1+n     HTTP (``api.server``)
==================== ======= ===========================================

A process is put together from pieces: ``conductor_pieces`` and
``every_process`` list them. Pieces start in the order of the list, after what
they use, and stop in the reverse order. ``start`` leaves nothing half-started
behind: what fails is said in one line. ``stop`` leaves the rings, takes no
more requests, lets operations end for a while, and leaves the rest to whoever
takes over.
"""

from __future__ import annotations

import enum
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from baremetal_backend.api.app import WsgiApp, make_app
from baremetal_backend.api.server import ApiServer
from baremetal_backend.claim import open_database
from baremetal_backend.conductor import (
    continuation,
    lane_figures,
    registration,
    takeover,
)
from baremetal_backend.conductor.assembly import Assembly, assemble
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.periodic.figures import figures
from baremetal_backend.conductor.periodic.periodics import (
    Periodics,
    make_periodics,
)
from baremetal_backend.conductor.publisher import Publisher
from baremetal_backend.conductor.registration import Registration
from baremetal_backend.conductor.takeover import Takeover
from baremetal_backend.conductor.this_process import start_of, this_process
from baremetal_backend.conf.current import Current
from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import StorageUnavailable
from baremetal_backend.core.notices import Severity
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import loader
from baremetal_backend.metrics import Metrics
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.rpc.interface import Conductor
from baremetal_backend.rpc.remote import Remote
from baremetal_backend.rpc.router import make_router
from baremetal_backend.storage import Storage
from baremetal_backend.storage.migrate import (
    SchemaError,
    require_current,
    upgrade,
)
from baremetal_backend.storage.outbox import Announcing

LOG = logging.getLogger(__name__)

# Seconds for requests that are being answered when the service stops.
_API_STOP = 10.0

# Seconds for runs of periodic tasks to end.
_PERIODIC_STOP = 5.0

# Seconds of silence before the log says what a start waits for.
_PATIENT_START = 3.0


class Serves(enum.Flag):
    """What a process is."""

    CONDUCTOR = enum.auto()
    API = enum.auto()
    ALL = CONDUCTOR | API


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that runs beside the main thread until it is stopped."""

    start: Callable[[], None]
    stop: Callable[[], None]


def thread(
    name: str,
    run: Callable[[], None],
    stop: Callable[[], None],
    patience: float = 5.0,
) -> Piece:
    """A piece that is one thread: ``run`` returns soon after ``stop``."""
    one = threading.Thread(target=run, name=name, daemon=True)

    def end() -> None:
        stop()
        one.join(patience)

    return Piece(one.start, end)


def conductor_pieces(parts: Assembly) -> list[Piece]:
    """What runs in a process that has a conductor."""
    return [
        Piece(lambda: None, parts.lanes.stop),
        thread("baremetal-timer", parts.timer.run, parts.timer.stop),
    ]


def every_process(metrics: Metrics) -> list[Piece]:
    """What runs in each process, whatever it serves."""
    return [Piece(metrics.start, metrics.stop)]


class Runtime:
    """One process: conductor, API, or both. Owned by the command."""

    def __init__(
        self,
        settings: Settings,
        serves: Serves = Serves.ALL,
        *,
        options: Any = None,
        reread: Callable[[], Settings] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``options``: the oslo.config object, for libraries that read it
        themselves; ``reread``: the settings anew, for a reload."""
        self._current = Current(settings)
        self._serves = serves
        self._options = options
        self._reread = reread
        self._clock = clock
        self._cleanup = ExitStack()
        # A queue that signal handlers may write to.
        self._asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = False
        self._transport: Any = None
        self._server: Any = None
        self._parts: Assembly | None = None
        self._registration: Registration | None = None
        self._periodics: Periodics | None = None
        self._metrics = Metrics(settings.metrics)
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
        self._begin(every_process(self._metrics))
        if registry is not None:
            self._registration = self._registered(storage, registry)
        directory = self._directory(storage)
        remote = self._remote(directory)
        if registry is not None:
            self._start_conductor(storage, directory, registry)
        directory.refresh()
        if settings.rpc_transport != "none":
            self._begin(
                [thread("baremetal-members", directory.run, directory.stop)]
            )
        if Serves.API in self._serves:
            self._serve_api(directory, storage, remote)
        served = directory.hardware_types()
        LOG.info(
            "%s %s serves %s; ready after %.2f s.",
            "Conductor" if registry is not None else "The API on",
            settings.host,
            ", ".join(kind.name for kind in served) or "nothing yet",
            time.monotonic() - began,
        )

    def _registered(
        self, storage: Storage, registry: loader.Registry
    ) -> Registration:
        """The registration, not made yet."""
        return Registration(
            registration.Surroundings(
                settings=self._current.settings,
                storage=storage,
                registry=registry,
                process=this_process(),
                start_of=start_of,
                alone=storage.database.is_sqlite,
                clock=self._clock,
            )
        )

    def _directory(self, storage: Storage) -> Directory:
        settings = self._current.settings
        mine = self._registration
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

    def _start_conductor(
        self,
        storage: Storage,
        directory: Directory,
        registry: loader.Registry,
    ) -> None:
        """Be reachable, then registered, then repair, then go on for good."""
        mine = self._registration
        assert mine is not None  # noqa: S101 - for the type checker
        parts = assemble(self._current, storage, registry, mine, self._clock)
        self._parts = parts
        self._begin(self._notices(storage, mine))
        self._metrics.add(lane_figures.figures(parts.lanes))
        periodics = self._collected(parts.context, directory, mine)
        self._begin(conductor_pieces(parts))
        self._listen(parts.service)
        tasks = parts.context.tasks
        successor = Takeover(
            takeover.Surroundings(
                host=mine.host,
                storage=storage,
                directory=directory,
                again=lambda node: _again(parts, node),
                active=lambda: mine.active,
                clock=self._clock,
            )
        )
        mine.silent_nodes = lambda: tuple(
            one.node_uuid for one in tasks.stalled()
        )
        mine.after_beat = tasks.watch
        mine.on_replaced = self.ask_stop
        directory.on_change = successor.ask
        directory.on_look = successor.end_silent

        def lost() -> None:
            tasks.let_go()
            directory.refresh()
            successor.ask()

        mine.on_lost = lost
        mine.register()
        self._cleanup.callback(mine.leave)
        self._begin([thread("baremetal-beat", mine.run, mine.stop)])
        directory.refresh()
        successor.sweep()
        self._begin(
            [thread("baremetal-takeover", successor.run, successor.stop)]
        )
        self._begin([Piece(periodics.start, lambda: _end(periodics))])

    def _collected(
        self, context: Context, directory: Directory, mine: Registration
    ) -> Periodics:
        """The periodic tasks, not running yet. Errors: ConfigurationError."""

        def owns(uuid: str, driver: str, conductor_group: str) -> bool:
            return mine.active and directory.is_mine(
                uuid, driver, conductor_group
            )

        self._periodics = make_periodics(context, owns)
        self._periodics.collect()
        self._current.follow(self._periodics.reload)
        self._metrics.add(figures(context.periodic_statistics))
        return self._periodics

    def _notices(self, storage: Storage, mine: Registration) -> list[Piece]:
        """What publishes notifications, if any are wanted."""
        if not storage.outbox.is_on:
            return []
        try:
            from baremetal_backend.rpc.notifier import OsloNotifier
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"[DEFAULT]notification_level: {error}; run "
                "pip install 'nova-ironic-partition[messaging]'."
            ) from error

        notifier = OsloNotifier(
            self._options,
            mine.host,
            self._current.settings.versioned_notifications_topics,
        )
        self._cleanup.callback(notifier.close)
        publisher = Publisher(
            storage.outbox, notifier.send, lambda: mine.active
        )
        return [thread("baremetal-notices", publisher.run, publisher.stop)]

    def _listen(self, conductor: Conductor) -> None:
        """Take calls of other processes, once the broker answers."""
        if self._transport is None:
            return
        from baremetal_backend.rpc import messaging

        self._server = messaging.MessagingServer(
            self._transport, self._current.settings.host, conductor
        )
        starting = threading.Thread(
            target=self._server.start, name="baremetal-listen", daemon=True
        )
        starting.start()
        starting.join(_PATIENT_START)
        if starting.is_alive():
            LOG.warning("Waiting for the message broker.")
        while starting.is_alive():
            starting.join(0.5)
            if self._stopping:
                raise ConfigurationError(
                    "[DEFAULT]transport_url: stopped while the broker did "
                    "not answer."
                )
        self._cleanup.callback(self._server.stop)

    def _begin(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            piece.start()
            self._cleanup.callback(piece.stop)

    def _serve_api(
        self, directory: Directory, storage: Storage, remote: Remote | None
    ) -> None:
        settings = self._current.settings
        router = make_router(
            directory,
            storage,
            host=settings.host if self._parts else None,
            local=self._parts.service if self._parts else None,
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
            settings = self._reread()
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
        if self._registration is not None:
            self._registration.drain()
        if self._periodics is not None:
            self._periodics.close()
        if self._parts is not None:
            self._parts.context.tasks.close()
        if self._api is not None:
            self._api.stop(_API_STOP)
        idle = self._parts is None or self._wait_idle(self._parts)
        self._cleanup.close()
        LOG.info("Stopped.")
        return idle

    def _wait_idle(self, parts: Assembly) -> bool:
        patience = self._current.settings.graceful_shutdown_timeout
        tasks = parts.context.tasks
        if tasks.wait_idle(patience):
            return True
        LOG.error(
            "%d operations did not end within %d s "
            "([DEFAULT]graceful_shutdown_timeout); whoever takes their nodes "
            "over, at the latest the next start, ends them.",
            tasks.running,
            patience,
        )
        return False


def _end(periodics: Periodics) -> None:
    periodics.stop(_PERIODIC_STOP)


def _again(parts: Assembly, node: Node) -> None:
    operation = continuation.again(parts.context, node)
    parts.context.tasks.spawn_after(node.uuid, operation)


def open_storage(
    settings: Settings,
    cleanup: ExitStack,
    clock: Callable[[], float] = time.time,
) -> Storage:
    """Open the database; an SQLite file as the only process that may.

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
    announcing = None
    if settings.notification_level is not None:
        least = Severity[settings.notification_level.upper()]
        announcing = Announcing(settings.host, least)
    return Storage(database, clock, announcing)
