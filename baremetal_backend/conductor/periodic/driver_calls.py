# SPDX-License-Identifier: Apache-2.0
"""What a driver's periodic task may ask of the conductor.

The implementation of ``drivers.periodics.Manager``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from baremetal_backend.conductor import continuation
from baremetal_backend.conductor.node_periodic import Tasks
from baremetal_backend.conductor.own_nodes import OwnNodes
from baremetal_backend.conductor.parts import Context
from baremetal_backend.core.errors import Conflict, InvalidParameterValue
from baremetal_backend.core.inventory import fit
from baremetal_backend.core.leases import Busy
from baremetal_backend.core.node_selection import Filters
from baremetal_backend.core.records import Inventory, Node
from baremetal_backend.drivers.base import DriverTask


class DriverCalls:
    """One for all tasks of a conductor; keeps nothing."""

    def __init__(
        self,
        context: Context,
        tasks: Tasks,
        nodes: OwnNodes,
        add: Callable[[Callable[..., Any]], bool],
    ) -> None:
        self._context = context
        self._tasks = tasks
        self._nodes = nodes
        self._add = add

    @property
    def host(self) -> str:
        """See ``drivers.periodics.Manager``, here and below."""
        return self._context.settings.host

    def nodes(
        self,
        interface: Any = None,
        filters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
    ) -> Sequence[Any]:
        """This conductor's nodes, by one query."""
        return self._nodes.rows(interface, Filters.of(filters or {}), fields)

    def shared(self, node_id: str) -> DriverTask:
        """The node, without keeping others out."""
        return self._tasks.shared(node_id)

    def exclusive(
        self, node_id: str, purpose: str
    ) -> AbstractContextManager[DriverTask]:
        """The node to itself; refused at once if somebody has it."""
        grant = self._tasks.try_exclusive(node_id, purpose)
        if isinstance(grant, Busy):
            raise Conflict(f"Node {node_id}: {grant.reason}.")
        return grant

    def resume(self, node_id: str, seen: Node | None = None) -> None:
        """Go on after an asynchronous step."""
        continuation.resume(self._context, node_id, seen=seen)

    def fail(
        self, node_id: str, sentence: str, seen: Node | None = None
    ) -> None:
        """Fail a node in an asynchronous step."""
        continuation.fail(self._context, node_id, sentence, seen=seen)

    def keep_inventory(self, node_id: str, inventory: Inventory) -> None:
        """Remember what was found in a node, without its secrets."""
        storage = self._context.storage
        uuid, *_ = storage.nodes.row(node_id, ("uuid",))
        try:
            kept = fit(inventory)
        except RecursionError as error:
            raise InvalidParameterValue(
                f"The inventory of node {uuid} is nested too deeply."
            ) from error
        storage.inventories.keep(uuid, kept)

    def add_periodic_task(self, task: Callable[..., Any]) -> bool:
        """Run a further task from now on."""
        return self._add(task)


__all__ = ["DriverCalls"]
