# SPDX-License-Identifier: Apache-2.0
"""The console of a node with a BMC: serial over LAN, served on TCP.

A console that is enabled is served by the conductor that has the node, for as
long as it has it: also after a restart, and no longer after a hand-over. The
port is remembered with the node, so that its URL stays the same wherever that
is possible.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, Final

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import (
    BackendError,
    Conflict,
    HardwareFailed,
    HardwareRefused,
    NodeNotFound,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import DriverTask, Progress
from baremetal_backend.drivers.console_server import ConsoleServers, NoPort
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.interface import IpmiInterface
from baremetal_backend.drivers.ipmi.ports import ConsoleClient
from baremetal_backend.drivers.periodics import Manager, driver_periodic_task
from baremetal_backend.drivers.remembered import remember

LOG = logging.getLogger(__name__)

#: Where ``driver_internal_info`` has the port.
PORT: Final = "ipmi_console_port"

# Seconds for which what a person just switched is not looked at: the node may
# not show it yet.
_JUST_NOW: Final = 30.0


class IpmiConsole(IpmiInterface, base.ConsoleInterface):
    """Serves what the BMC has of the node's serial line."""

    name = "ipmi"
    needs: ClassVar[tuple[type[base.Equipment], ...]] = (
        *IpmiInterface.needs,
        ConsoleServers,
    )

    client: ConsoleClient

    def __init__(
        self,
        settings: Settings,
        client: ConsoleClient,
        servers: ConsoleServers,
    ) -> None:
        super().__init__(settings, client)
        self._servers = servers
        # By the nodes' uuids; entries are replaced whole, by all threads.
        self._serving: dict[str, Access] = {}
        self._started: dict[str, float] = {}
        self._stopped: dict[str, float] = {}
        self._complaints: dict[str, str] = {}

    def validate(self, node: Node) -> None:
        """Errors: HardwareRefused that names the field."""
        self._access(node)

    def start_console(self, task: DriverTask) -> Progress:
        """Serve it. Errors: HardwareRefused, HardwareFailed (no port)."""
        uuid = task.node.uuid
        self._stopped.pop(uuid, None)
        self._started[uuid] = self.monotonic()
        remember(task, PORT, self._serve(task.node))
        return None

    def stop_console(self, task: DriverTask) -> Progress:
        """Serve it no more."""
        uuid = task.node.uuid
        self._started.pop(uuid, None)
        self._stopped[uuid] = self.monotonic()
        self._close(uuid)
        remember(task, PORT, None)
        return None

    def get_console(self, node: Node) -> Mapping[str, Any]:
        """A URL, whose console is there when this returns."""
        port = self._serve(node)
        return {"type": "socat", "url": self._servers.url(port)}

    def forget(self, node: Node) -> None:
        """Serve it no more, unless it is found to be enabled again."""
        self._close(node.uuid)
        super().forget(node)

    # -- what is served is what is enabled ------------------------------------

    @driver_periodic_task(spacing=10, run_immediately=True)
    def look_after_consoles(self, manager: Manager, context: Any) -> None:
        """Serve enabled consoles of this conductor's nodes, and no others."""
        before = self._servers.served
        rows = manager.nodes(
            interface=self,
            filters={"console_enabled": True},
            fields=("reservation", "driver_info", "driver_internal_info"),
        )
        enabled = {row.uuid for row in rows}
        for row in rows:
            self._keep(row, manager)
        for uuid in before.keys() - enabled:
            if not self._just_now(self._started, uuid):
                self._close(uuid)
        self._tidy(enabled)

    def _keep(self, row: Any, manager: Manager) -> None:
        if row.uuid in self._stopped:
            # Switched off by whoever has the node, and that will be written.
            if row.reservation or self._just_now(self._stopped, row.uuid):
                return
            self._stopped.pop(row.uuid, None)
        try:
            port = self._serve(row)
        except BackendError as error:
            known = self._complaints.get(row.uuid) == error.message
            self._complaints[row.uuid] = error.message
            LOG.log(
                logging.DEBUG if known else logging.WARNING,
                "Node %s: its console can't be served: %s",
                row.uuid,
                error.message,
            )
            return
        self._complaints.pop(row.uuid, None)
        if row.driver_internal_info.get(PORT) == port:
            return
        try:
            remember(manager.shared(row.uuid), PORT, port)
        except (Conflict, NodeNotFound) as error:
            LOG.debug("Node %s: port not noted yet: %s", row.uuid, error)

    def _tidy(self, enabled: set[str]) -> None:
        for uuid in list(self._started):
            if not self._just_now(self._started, uuid):
                self._started.pop(uuid, None)
        for uuid in list(self._stopped):
            if uuid not in enabled and not self._just_now(self._stopped, uuid):
                self._stopped.pop(uuid, None)
        for uuid in self._complaints.keys() - enabled:
            self._complaints.pop(uuid, None)

    def _just_now(self, switched: Mapping[str, float], uuid: str) -> bool:
        at = switched.get(uuid, float("-inf"))
        return self.monotonic() - at < _JUST_NOW

    # -- one console ----------------------------------------------------------

    def _serve(self, node: Any) -> int:
        """The port. ``node``: a node, or a row with its ``driver_info``."""
        access = self._access(node)
        if self._serving.get(node.uuid, access) != access:
            LOG.info("Node %s: its BMC's data changed.", node.uuid)
            self._close(node.uuid)
        try:
            port = self._servers.serve(
                node.uuid,
                self._opener(access),
                port=access.terminal_port,
                rather=node.driver_internal_info.get(PORT),
            )
        except NoPort as error:
            if access.terminal_port is not None:
                raise HardwareRefused(
                    f"driver_info ipmi_terminal_port: {error}."
                ) from error
            raise HardwareFailed(f"No console: {error}.") from error
        self._serving[node.uuid] = access
        return port

    def _close(self, uuid: str) -> None:
        self._servers.close(uuid)
        self._serving.pop(uuid, None)

    def _access(self, node: Any) -> Access:
        access = self.access(node)
        if access.bridge is not None:
            raise HardwareRefused(
                "driver_info ipmi_bridging: there is no serial over LAN "
                "through a bridge; choose console_interface no-console."
            )
        return access

    def _opener(self, access: Access) -> Callable[..., Future[Any]]:
        def open_line(
            received: Callable[[bytes], None],
            closed: Callable[[Exception | None], None],
        ) -> Future[Any]:
            return self.client.open_console(
                access.bmc,
                received,
                closed,
                force=self.settings.console.deactivate_others,
            )

        return open_line


__all__ = ["PORT", "IpmiConsole"]
