# SPDX-License-Identifier: Apache-2.0
"""The conductor of a process: its parts, and what runs for them.

Guarantees the order at the start: reachable, then registered, then what was
left behind is repaired, then everything goes on by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

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
from baremetal_backend.conductor.power_sync import published
from baremetal_backend.conductor.power_sync.poller import Poller
from baremetal_backend.conductor.publisher import Publisher
from baremetal_backend.conductor.registration import Registration
from baremetal_backend.conductor.takeover import Takeover
from baremetal_backend.conductor.this_process import start_of, this_process
from baremetal_backend.conf.current import Current
from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.records import Holder, Node
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.metrics import Metrics
from baremetal_backend.rpc.directory import Directory
from baremetal_backend.rpc.interface import Conductor
from baremetal_backend.runtime.pieces import Piece, begin, thread
from baremetal_backend.storage import Storage

LOG = logging.getLogger(__name__)

# Seconds for runs of periodic tasks to end.
_PERIODIC_STOP = 5.0

# Seconds of silence before the log says what a start waits for.
_PATIENT_START = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the process gives to its conductor."""

    current: Current
    storage: Storage
    registry: Registry
    metrics: Metrics
    clock: Callable[[], float]
    #: The oslo.config object, for libraries that read it themselves.
    options: Any
    #: Ends the process as failed.
    give_up: Callable[[], None]
    #: Whether somebody asked for the end.
    stopping: Callable[[], bool]
    #: Gets what stops each part, in the order of the start.
    cleanup: ExitStack


class ConductorProcess:
    """Owned by the runtime. Nothing runs before ``start``."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._registration = Registration(
            registration.Surroundings(
                settings=around.current.settings,
                storage=around.storage,
                registry=around.registry,
                process=this_process(),
                start_of=start_of,
                alone=around.storage.database.is_sqlite,
                clock=around.clock,
            )
        )
        self._parts: Assembly = assemble(
            around.current,
            around.storage,
            around.registry,
            self._registration,
            around.clock,
        )
        self._periodics: Periodics | None = None

    @property
    def service(self) -> Conductor:
        """For calls within the process."""
        return self._parts.service

    @property
    def holder(self) -> Callable[[], Holder]:
        """Who takes leases; changes when the registration was lost."""
        return self._registration.holder

    # -- starting -------------------------------------------------------------

    def start(self, directory: Directory, transport: Any) -> None:
        """``transport``: None where no other process calls.

        Errors: ConfigurationError, StorageUnavailable.
        """
        around, parts = self._around, self._parts
        self._begin(*self._notices())
        self._start_equipment()
        periodics = self._collected(parts.context, directory)
        self._begin(
            Piece(lambda: None, parts.lanes.stop),
            thread("baremetal-timer", parts.timer.run, parts.timer.stop),
        )
        if transport is not None:
            self._listen(transport)
        successor = self._successor(directory)
        mine = self._registration
        mine.register()
        around.cleanup.callback(mine.leave)
        self._begin(thread("baremetal-beat", mine.run, mine.stop))
        directory.refresh()
        successor.sweep()
        poller = self._poller(directory)
        self._begin(
            thread("baremetal-takeover", successor.run, successor.stop),
            thread("baremetal-power", poller.run, poller.stop),
            Piece(periodics.start, lambda: periodics.stop(_PERIODIC_STOP)),
        )

    def _begin(self, *pieces: Piece) -> None:
        begin(self._around.cleanup, *pieces)

    def _start_equipment(self) -> None:
        """What drivers share runs before anything asks for a node."""
        for one in self._around.registry.equipment:
            self._begin(Piece(one.start, one.stop))
            self._around.metrics.add(one.figures)

    def _notices(self) -> list[Piece]:
        """What publishes notifications, if any are wanted."""
        around, mine = self._around, self._registration
        if not around.storage.outbox.is_on:
            return []
        try:
            from baremetal_backend.rpc.notifier import OsloNotifier
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"[DEFAULT]notification_level: {error}; run "
                "pip install 'nova-ironic-partition[messaging]'."
            ) from error

        notifier = OsloNotifier(
            around.options,
            mine.host,
            around.current.settings.versioned_notifications_topics,
        )
        around.cleanup.callback(notifier.close)
        publisher = Publisher(
            around.storage.outbox, notifier.send, lambda: mine.active
        )
        return [thread("baremetal-notices", publisher.run, publisher.stop)]

    def _collected(self, context: Context, directory: Directory) -> Periodics:
        """The periodic tasks, not running yet. Errors: ConfigurationError."""
        mine = self._registration

        def owns(uuid: str, driver: str, conductor_group: str) -> bool:
            return mine.active and directory.is_mine(
                uuid, driver, conductor_group
            )

        self._periodics = make_periodics(context, owns)
        self._periodics.collect()
        self._around.current.follow(
            self._periodics.reload, self._periodics.planned
        )
        self._around.metrics.add(figures(context.periodic_statistics))
        self._around.metrics.add(lane_figures.figures(self._parts.lanes))
        return self._periodics

    def _poller(self, directory: Directory) -> Poller:
        """What follows the power states."""
        around, mine = self._around, self._registration
        context = self._parts.context
        roster = context.power_roster
        around.current.follow(context.registry.reload)
        around.current.follow(lambda _settings: roster.wake())
        around.metrics.add(published.figures(roster))
        return Poller(context, directory.is_mine, lambda: mine.active)

    def _listen(self, transport: Any) -> None:
        """Take calls of other processes, once the broker answers."""
        from baremetal_backend.rpc import messaging

        around = self._around
        server = messaging.MessagingServer(
            transport, around.current.settings.host, self.service
        )
        starting = threading.Thread(
            target=server.start, name="baremetal-listen", daemon=True
        )
        starting.start()
        starting.join(_PATIENT_START)
        if starting.is_alive():
            LOG.warning("Waiting for the message broker.")
        while starting.is_alive():
            starting.join(0.5)
            if around.stopping():
                raise ConfigurationError(
                    "[DEFAULT]transport_url: stopped while the broker did "
                    "not answer."
                )
        around.cleanup.callback(server.stop)

    def _successor(self, directory: Directory) -> Takeover:
        """What takes over from others, and hears when they change."""
        around, mine = self._around, self._registration
        tasks = self._parts.context.tasks
        successor = Takeover(
            takeover.Surroundings(
                host=mine.host,
                storage=around.storage,
                directory=directory,
                again=self._again,
                active=lambda: mine.active,
                clock=around.clock,
            )
        )

        def lost() -> None:
            tasks.let_go()
            directory.refresh()
            successor.ask()

        mine.silent_nodes = lambda: tuple(
            one.node_uuid for one in tasks.stalled()
        )
        mine.after_beat = tasks.watch
        mine.on_replaced = around.give_up
        mine.on_lost = lost
        directory.on_change = successor.ask
        directory.on_look = successor.end_silent
        return successor

    def _again(self, node: Node) -> None:
        context = self._parts.context
        operation = continuation.again(context, node)
        context.tasks.spawn_after(node.uuid, operation)

    # -- stopping -------------------------------------------------------------

    def close(self) -> None:
        """Leave the rings, and begin nothing more."""
        self._registration.drain()
        if self._periodics is not None:
            self._periodics.close()
        self._parts.context.tasks.close()

    def wait_idle(self) -> bool:
        """Let operations end for a while; False if some did not."""
        patience = self._around.current.settings.graceful_shutdown_timeout
        tasks = self._parts.context.tasks
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


__all__ = ["Around", "ConductorProcess"]
