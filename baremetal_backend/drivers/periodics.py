# SPDX-License-Identifier: Apache-2.0
"""How a driver says that a method of an interface is to be called regularly.

The decorators only describe: they put a frozen record onto the function and
give the function back as it is. When and where it runs is the conductor's
business (``conductor.periodic``), which collects the records once from each
enabled implementation, whatever the number of hardware types that share it::

    class MyManagement(base.ManagementInterface):
        @driver_periodic_task(spacing="my_group.refresh_interval")
        def refresh(self, manager, context): ...

        @node_periodic(
            "look after my clean steps",
            spacing=30,
            filters={"provision_state": "clean wait", "reserved": False},
            predicate=lambda node: "my_job" in node.driver_internal_info,
            predicate_extra_fields=("driver_internal_info",),
        )
        def poll(self, task, manager, context): ...

A subclass that overrides a marked method decides anew: without a decorator
of its own the override is not periodic.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from baremetal_backend.core.node_selection import Filters
from baremetal_backend.core.records import Inventory, Node
from baremetal_backend.core.schedule import Overrun
from baremetal_backend.drivers.base import DriverTask

F = TypeVar("F", bound=Callable[..., Any])

#: Where a decorator leaves its record.
MARK = "_baremetal_periodic"

#: Predicates look at a row: attributes of ``ALWAYS_FETCHED`` and the extra
#: fields.
ALWAYS_FETCHED = ("uuid", "driver", "conductor_group", "version")


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """What a decorator says of a method."""

    #: Seconds, or the name of the option that has them: ``group.option``.
    spacing: float | str
    #: Whether it runs at all, or the name of the option that says so.
    enabled: bool | str = True
    #: True: in a thread of the drivers' own. False: in one of the few that
    #: the conductor has for its own periodic tasks.
    parallel: bool = True
    #: False: the first run comes after one spacing.
    run_immediately: bool = False
    overrun: Overrun = Overrun.SKIP
    #: Part of the spacing by which each run may be late, by chance: tasks of
    #: many conductors don't meet at a service that they share.
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.spacing, str):
            _check_option(self.spacing)
        elif self.enabled is not False and not 0 < self.spacing < float("inf"):
            raise ValueError(
                f"spacing: {self.spacing} is not a number of seconds above 0"
            )
        if isinstance(self.enabled, str):
            _check_option(self.enabled)
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter: {self.jitter} is not within 0 and 1")


@dataclass(frozen=True, slots=True)
class NodePeriodic:
    """What ``node_periodic`` says of a method: a task, and for which nodes."""

    purpose: str
    task: PeriodicTask
    filters: Filters = field(default_factory=Filters)
    predicate: Callable[[Any], bool] | None = None
    predicate_extra_fields: tuple[str, ...] = ()
    #: Most nodes that one run acts on.
    limit: int | None = None
    #: False: the method has the node to itself.
    shared: bool = True


class Stop(Exception):
    """Raised or returned by a method for one node: end this run."""


class Manager(Protocol):
    """What the conductor does for a driver's periodic tasks.

    ``node_id``: uuid of a node. Errors are ``core.errors.BackendError``.
    """

    @property
    def host(self) -> str:
        """Name of this conductor."""
        ...

    def nodes(
        self,
        interface: Any = None,
        filters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
    ) -> Sequence[Any]:
        """This conductor's nodes, by one query: rows as predicates see them.

        ``interface``: only nodes that use exactly this implementation;
        ``filters`` as in ``node_periodic``; ``fields``: what to fetch beside
        ``ALWAYS_FETCHED``.
        """
        ...

    def shared(self, node_id: str) -> DriverTask:
        """The node as it is now, without keeping others out.

        ``save`` writes only if nobody else wrote. Errors: NodeNotFound.
        """
        ...

    def exclusive(
        self, node_id: str, purpose: str
    ) -> AbstractContextManager[DriverTask]:
        """The node to itself, for a short time. Never waits.

        Errors: NodeNotFound, Conflict (somebody has it, or is first).
        """
        ...

    def resume(self, node_id: str, seen: Node | None = None) -> None:
        """The asynchronous step that the node waits for is done: go on.

        ``seen``: the node as it was when that was found out. A report that
        comes late never skips another step.
        """
        ...

    def fail(
        self, node_id: str, sentence: str, seen: Node | None = None
    ) -> None:
        """That step failed, and why: the node fails with the step's name."""
        ...

    def keep_inventory(self, node_id: str, inventory: Inventory) -> None:
        """Remember what was found in a node, in place of what was before.

        Errors: NodeNotFound, StorageUnavailable; InvalidParameterValue for
        more than 7.5 megabytes, or for what is no JSON.
        """
        ...

    def add_periodic_task(self, task: Callable[..., Any]) -> bool:
        """Run a further task from now on. Whether it is enabled.

        ``task``: a function or a method of an object that carries one of the
        markers; a function is called with (manager, context).
        """
        ...


def driver_periodic_task(
    spacing: float | str,
    parallel: bool = True,
    enabled: bool | str = True,
    run_immediately: bool = False,
    *,
    overrun: Overrun = Overrun.SKIP,
    jitter: float = 0.0,
) -> Callable[[F], F]:
    """Call ``method(self, manager, context)`` every ``spacing`` seconds.

    ``spacing`` and ``enabled`` are values, or names of options such as
    ``"my_group.interval"``: these are looked up when the conductor starts and
    again when it reads its configuration anew. It never overlaps itself.
    Errors: ValueError for values that can't be meant.
    """
    task = PeriodicTask(
        spacing, enabled, parallel, run_immediately, overrun, jitter
    )
    return _marker(task)


def node_periodic(
    purpose: str,
    spacing: float | str,
    enabled: bool | str = True,
    filters: Mapping[str, Any] | None = None,
    predicate: Callable[[Any], bool] | None = None,
    *,
    predicate_extra_fields: Iterable[str] = (),
    limit: int | None = None,
    shared: bool = True,
    parallel: bool = True,
    run_immediately: bool = False,
    overrun: Overrun = Overrun.SKIP,
    jitter: float = 0.0,
) -> Callable[[F], F]:
    """Call ``method(self, task, manager, context)`` for nodes, regularly.

    The nodes are those of this conductor that use exactly this
    implementation. One query per run fetches them; ``predicate`` sees
    its rows and says for which the method is called, and only those cost a
    further query. Locked and vanished nodes are skipped.

    ``purpose``: for people, in logs, statistics and as the lock's purpose.
    ``filters``: column to value, ``<column>_in`` to values, ``reserved`` and
    ``associated`` to True or False. ``limit``: most nodes that a run acts on;
    the next run begins after them. ``shared``: False takes
    the node for itself. The rest as in ``driver_periodic_task``.
    Errors: ValueError for values that can't be meant.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit: {limit} is not a number above 0")
    if not purpose:
        raise ValueError("purpose: say what the task is for")
    extra = tuple(dict.fromkeys(predicate_extra_fields))
    unknown = set(extra) - {f.name for f in dataclasses.fields(Node)}
    if unknown:
        raise ValueError(
            "predicate_extra_fields: a node has no "
            f"{', '.join(sorted(unknown))}"
        )
    task = PeriodicTask(
        spacing, enabled, parallel, run_immediately, overrun, jitter
    )
    return _marker(
        NodePeriodic(
            purpose,
            task,
            Filters.of(filters or {}),
            predicate,
            extra,
            limit,
            shared,
        )
    )


def _marker(record: PeriodicTask | NodePeriodic) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, MARK, record)
        return function

    return mark


def _check_option(name: str) -> None:
    group, _, option = name.partition(".")
    if not group or not option or "." in option:
        raise ValueError(
            f'"{name}" is not the name of an option; write "group.option"'
        )


__all__ = [
    "ALWAYS_FETCHED",
    "MARK",
    "Manager",
    "NodePeriodic",
    "Overrun",
    "PeriodicTask",
    "Stop",
    "driver_periodic_task",
    "node_periodic",
]
