# SPDX-License-Identifier: Apache-2.0
"""Steps: what hardware can do on request or on the way, and which are run.

A *step* is a method of a hardware interface that somebody may ask for, or that
automated cleaning, a deployment or a first contact runs by its priority. This
module knows what is offered (from the interfaces' descriptions) and decides
which steps are run and in which order. It calls none; where a node stands
among them is in ``core.journey``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from baremetal_backend.core.errors import InvalidParameterValue
from baremetal_backend.core.records import INTERFACES, Json
from baremetal_backend.core.states import StepKind

STEP_KINDS: tuple[StepKind, ...] = ("verify", "clean", "deploy", "service")

#: Steps of equal priority run in this order of their interfaces: first what
#: the others need, last what writes to disks.
_FIRST = ("power", "management", "vendor", "firmware", "bios", "deploy")
ORDER = (*_FIRST, *(kind for kind in INTERFACES if kind not in _FIRST))

_LONGEST_WAIT = 86400


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a step."""

    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """The description of a step, as a decorator of ``drivers.base`` left it.

    ``argsinfo`` None: it takes no arguments.
    """

    kind: StepKind
    name: str
    description: str = ""
    #: Steps above 0 run by themselves, the highest first; 0: on request only.
    priority: int = 0
    #: Whether ``abort`` may end it while it waits.
    abortable: bool = False
    argsinfo: Mapping[str, Argument] | None = None
    #: Refused in a request with ``disable_ramdisk``.
    requires_ramdisk: bool = False


#: Steps that the conductor carries out itself, whatever the hardware.
RESERVED: Mapping[str, Mapping[str, Argument]] = {
    "power_on": {},
    "power_off": {},
    "reboot": {},
    "hold": {},
    "wait": {
        "seconds": Argument(f"How long, 0 to {_LONGEST_WAIT}.", required=True)
    },
}

#: (interface type, step's name) to its description, for one node.
Offers = Mapping[tuple[str, str], Step]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that is to be run, with its arguments."""

    interface: str
    name: str
    args: Json = field(default_factory=dict)
    priority: int = 0
    abortable: bool = False

    @property
    def reserved(self) -> bool:
        """Whether the conductor carries it out itself."""
        return self.name in RESERVED

    def __str__(self) -> str:
        return f"step {self.name} of interface {self.interface}"

    def shown(self) -> dict[str, Any]:
        """As in the node's ``clean_step``."""
        return {
            "interface": self.interface,
            "step": self.name,
            "args": dict(self.args),
            "priority": self.priority,
            "abortable": self.abortable,
        }

    @classmethod
    def read(cls, shown: Mapping[str, Any]) -> PlannedStep:
        """The reverse of ``shown``."""
        return cls(
            str(shown["interface"]),
            str(shown["step"]),
            dict(shown.get("args") or {}),
            int(shown.get("priority") or 0),
            bool(shown.get("abortable")),
        )


# -- which steps are run ------------------------------------------------------


def automated(offers: Offers) -> tuple[PlannedStep, ...]:
    """All steps above priority 0, in order."""
    return _ordered(
        PlannedStep(interface, name, {}, step.priority, step.abortable)
        for (interface, name), step in offers.items()
        if step.priority > 0
    )


def requested(
    kind: StepKind,
    offers: Offers,
    asked: Sequence[Mapping[str, Any]],
    disable_ramdisk: bool = False,
) -> tuple[PlannedStep, ...]:
    """The steps of a request, in the request's order.

    Errors: InvalidParameterValue that names the step and what is wrong.
    """
    return tuple(_checked(kind, offers, one, disable_ramdisk) for one in asked)


def merged(
    offers: Offers, asked: Sequence[Mapping[str, Any]]
) -> tuple[PlannedStep, ...]:
    """A deployment's steps: those that are run anyway, and the request's.

    A request's step takes the place of the one of the same name; priority 0
    leaves it out. Errors: InvalidParameterValue.
    """
    wanted = requested("deploy", offers, asked)
    replaced = {(one.interface, one.name) for one in wanted}
    kept = [
        one
        for one in automated(offers)
        if (one.interface, one.name) not in replaced
    ]
    return _ordered([*kept, *(one for one in wanted if one.priority > 0)])


def with_priorities(
    offers: Offers, priorities: Mapping[str, int]
) -> dict[tuple[str, str], Step]:
    """The offers with an operator's priorities, by ``interface.step``."""
    found = {}
    for (interface, name), step in offers.items():
        priority = priorities.get(f"{interface}.{name}", step.priority)
        found[interface, name] = (
            step
            if priority == step.priority
            else replace(step, priority=priority)
        )
    return found


def _ordered(steps: Any) -> tuple[PlannedStep, ...]:
    return tuple(
        sorted(
            steps,
            key=lambda one: (
                -one.priority,
                ORDER.index(one.interface),
                one.name,
            ),
        )
    )


def _checked(
    kind: StepKind,
    offers: Offers,
    asked: Mapping[str, Any],
    disable_ramdisk: bool,
) -> PlannedStep:
    interface, name = str(asked.get("interface")), str(asked.get("step"))
    title = f"{kind}_steps: step {name} of interface {interface}"
    if interface not in INTERFACES:
        raise InvalidParameterValue(f"{title}: there is no such interface.")
    if asked.get("execute_on_child_nodes"):
        raise InvalidParameterValue(
            f"{title}: execute_on_child_nodes is not offered."
        )
    step = offers.get((interface, name))
    if name in RESERVED:
        known: Mapping[str, Argument] = RESERVED[name]
    elif step is None:
        names = ", ".join(f"{one}.{other}" for one, other in offers)
        raise InvalidParameterValue(
            f"{title}: the node does not have it; it has: {names or 'none'}; "
            f"and always: {', '.join(RESERVED)}."
        )
    else:
        known = step.argsinfo or {}
    if disable_ramdisk and step is not None and step.requires_ramdisk:
        raise InvalidParameterValue(
            f"{title}: needs a ramdisk, and disable_ramdisk was asked for."
        )
    args = asked.get("args") or {}
    _check_args(title, name, known, args)
    return PlannedStep(
        interface,
        name,
        dict(args),
        int(asked.get("priority") or 0),
        step.abortable if step is not None else name in RESERVED,
    )


def _check_args(
    title: str, name: str, known: Mapping[str, Argument], args: Any
) -> None:
    if not isinstance(args, Mapping):
        raise InvalidParameterValue(f"{title}: args must be an object.")
    for one in args:
        if one not in known:
            raise InvalidParameterValue(
                f'{title}: argument "{one}" is not known; it takes: '
                f"{', '.join(known) or 'none'}."
            )
    for one, info in known.items():
        if info.required and args.get(one) is None:
            raise InvalidParameterValue(
                f'{title}: argument "{one}" is required: {info.description}'
            )
    if name == "wait":
        seconds = args["seconds"]
        number = isinstance(seconds, (int, float)) and seconds is not True
        # NaN compares false.
        if not number or not 0 <= seconds <= _LONGEST_WAIT:
            raise InvalidParameterValue(
                f'{title}: argument "seconds" must be a number from 0 to '
                f"{_LONGEST_WAIT}."
            )


__all__ = [
    "ORDER",
    "RESERVED",
    "STEP_KINDS",
    "Argument",
    "Offers",
    "PlannedStep",
    "Step",
    "automated",
    "merged",
    "requested",
    "with_priorities",
]
