# SPDX-License-Identifier: Apache-2.0
"""Which methods are periodic tasks.

An implementation is asked once, whatever the number of hardware types that
share it, and a method that it has under two names counts once: the key is the
function and the object that it is bound to. Marks are this project's own
(``drivers.periodics``), futurist's ``periodic`` and oslo.service's
``periodic_task``; neither library is imported here, only the marks that they
leave are read.

Two tasks with the same purpose for the same nodes are refused: they would do
the same work on a node twice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from baremetal_backend.conf.settings import ConfigurationError
from baremetal_backend.core.schedule import Plan
from baremetal_backend.drivers.base import Interface
from baremetal_backend.drivers.loader import Registry
from baremetal_backend.drivers.periodics import (
    MARK,
    NodePeriodic,
    PeriodicTask,
)

#: Looks an option up by ``group.name``. Errors: KeyError.
Options = Callable[[str], Any]

#: (function, id of the object that it is bound to).
Key = tuple[Any, int]

#: (driver, name of the implementation).
Users = frozenset[tuple[str, str]]

# What oslo.service takes for a spacing of 0.
_OSLO_DEFAULT = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """A periodic task: what to call, and when by its description."""

    key: Key
    name: str
    task: PeriodicTask
    #: Bound to its object.
    method: Callable[..., Any]
    #: For which nodes; None: it is called once per run.
    nodes: NodePeriodic | None = None
    interface: Interface | None = None
    #: Who chose this implementation.
    users: Users = frozenset()
    #: The method takes no manager (oslo.service's way).
    context_only: bool = False


def users_of(registry: Registry, interface: Interface) -> Users:
    """Drivers whose nodes may use this very implementation, by which name."""
    return frozenset(
        (hardware.name, name)
        for hardware in registry.types.values()
        for name, one in hardware.interfaces.get(interface.kind, {}).items()
        if one is interface
    )


def collect(registry: Registry, own: Iterable[object] = ()) -> list[Found]:
    """The tasks of all enabled implementations, and the conductor's ``own``.

    Errors: ConfigurationError (two owners of one node set).
    """
    found: dict[Key, Found] = {}
    for owner in own:
        for one in _marked(owner, "conductor", registry):
            found.setdefault(one.key, one)
    for interface in _implementations(registry):
        prefix = f"{interface.kind}.{interface.name}"
        for one in _marked(interface, prefix, registry):
            found.setdefault(one.key, one)
    tasks = _named_apart(found.values())
    _refuse_two_owners(tasks)
    return tasks


def describe(task: Callable[..., Any], registry: Registry) -> Found:
    """A marked function or method that is registered at run time.

    Errors: ValueError (not marked; for nodes, but not a method of an enabled
    implementation).
    """
    owner = getattr(task, "__self__", None)
    name = str(getattr(task, "__qualname__", task))
    found = _found(
        getattr(task, "__func__", task), task, owner, name, registry
    )
    if found is None:
        raise ValueError(f"{name} carries no mark of a periodic task")
    if found.nodes is not None and not found.users:
        raise ValueError(
            f"{name} is for nodes of an interface, but it is not a method of "
            "an enabled one"
        )
    return found


def plan(found: Found, options: Options) -> Plan:
    """Look the options up that the description names.

    An interval of 0 or less in an option switches the task off. Errors:
    ConfigurationError.
    """
    task = found.task
    enabled = task.enabled
    if isinstance(enabled, str):
        enabled = bool(_option(found, enabled, options))
    spacing = task.spacing
    if isinstance(spacing, str):
        value = _option(found, spacing, options)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigurationError(
                f"{_shown(spacing)}: periodic task {found.name} needs a "
                f'number of seconds, not "{value}".'
            )
        spacing = float(value)
        enabled = enabled and spacing > 0
    return Plan(
        spacing=spacing if spacing > 0 else 1.0,
        enabled=enabled,
        run_immediately=task.run_immediately,
        overrun=task.overrun,
        jitter=task.jitter,
    )


def _option(found: Found, name: str, options: Options) -> Any:
    try:
        return options(name)
    except KeyError:
        raise ConfigurationError(
            f"{_shown(name)}: periodic task {found.name} needs this option, "
            "which nobody declared."
        ) from None


def _shown(name: str) -> str:
    group, _, option = name.partition(".")
    return f"[{group}]{option}"


def _implementations(registry: Registry) -> list[Interface]:
    made: dict[int, Interface] = {}
    for hardware in registry.types.values():
        for offered in hardware.interfaces.values():
            made |= {id(one): one for one in offered.values()}
    return list(made.values())


def _marked(owner: object, prefix: str, registry: Registry) -> Iterator[Found]:
    cls = type(owner)
    for name in dir(cls):
        # Not getattr: a property may do anything when it is read.
        static = inspect.getattr_static(cls, name)
        function = getattr(static, "__func__", static)
        if not callable(function):
            continue
        found = _found(function, None, owner, f"{prefix}.{name}", registry)
        if found is not None:
            yield found


def _found(
    function: Any,
    method: Callable[..., Any] | None,
    owner: object | None,
    name: str,
    registry: Registry,
) -> Found | None:
    read = _read_marks(function)
    if read is None:
        return None
    record, context_only = read
    interface = owner if isinstance(owner, Interface) else None
    users = users_of(registry, interface) if interface else frozenset()
    nodes = record if isinstance(record, NodePeriodic) else None
    if method is None:
        method = getattr(owner, name.rpartition(".")[2])
    return Found(
        key=(function, id(owner)),
        name=name,
        task=record.task if isinstance(record, NodePeriodic) else record,
        method=method,
        nodes=nodes,
        interface=interface,
        users=users,
        context_only=context_only,
    )


def _read_marks(
    function: Any,
) -> tuple[PeriodicTask | NodePeriodic, bool] | None:
    """The record, and whether the method takes the context only."""
    marks: Mapping[str, Any] = getattr(function, "__dict__", {})
    if MARK in marks:
        return marks[MARK], False
    if marks.get("_periodic_task"):
        return _of_oslo_service(marks), True
    if "_is_periodic" in marks:
        return _of_futurist(marks), False
    return None


def _of_futurist(marks: Mapping[str, Any]) -> PeriodicTask:
    return PeriodicTask(
        spacing=marks["_periodic_spacing"],
        enabled=bool(marks["_is_periodic"]),
        run_immediately=bool(marks["_periodic_run_immediately"]),
    )


def _of_oslo_service(marks: Mapping[str, Any]) -> PeriodicTask:
    spacing = marks["_periodic_spacing"]
    return PeriodicTask(
        # A negative spacing is its way to switch a task off.
        spacing=spacing or _OSLO_DEFAULT,
        enabled=bool(marks["_periodic_enabled"]) and spacing >= 0,
        run_immediately=bool(marks["_periodic_immediate"]),
    )


def _named_apart(found: Iterable[Found]) -> list[Found]:
    """The same names are told apart by their classes."""
    tasks = sorted(found, key=lambda one: one.name)
    names = [one.name for one in tasks]
    return [
        one
        if names.count(one.name) == 1
        else replace(
            one, name=f"{one.name}@{type(one.interface).__qualname__}"
        )
        for one in tasks
    ]


def _refuse_two_owners(tasks: Iterable[Found]) -> None:
    owners: dict[tuple[str, str, str, str], Found] = {}
    for one in tasks:
        if one.nodes is None or one.interface is None:
            continue
        for driver, name in sorted(one.users):
            nodes = (one.nodes.purpose, one.interface.kind, driver, name)
            other = owners.setdefault(nodes, one)
            if other is not one:
                raise ConfigurationError(
                    f"[DEFAULT]enabled_hardware_types: {other.name} and "
                    f'{one.name} would both "{one.nodes.purpose}" for nodes '
                    f"of {driver} with {one.interface.kind}_interface {name}; "
                    "one of the two has to go, or to say another purpose."
                )


__all__ = ["Found", "Options", "collect", "describe", "plan", "users_of"]
