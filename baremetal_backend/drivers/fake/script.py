# SPDX-License-Identifier: Apache-2.0
"""How pretended hardware behaves: read from a node, decided without effects.

For each operation of ``OPERATIONS`` a node's ``driver_info`` may have

``fake_<operation>_delay``
    seconds that it takes: ``2``, ``"2.5"`` or a range ``"1,3"``; without it,
    the ``[fake]`` option of the operation's interface holds
``fake_<operation>_fail``
    the sentence with which it fails, after the delay
``fake_<operation>_fail_times``
    how often it fails before it works; without it, always. The count begins
    anew when the sentence changes.
``fake_<operation>_wait``
    ``poll``: it returns at once, the node waits, and a periodic task ends
    the wait after the delay. ``heartbeat``: it waits for a heartbeat,
    whatever the delay. Only what may wait has it (``WAITING``).

Example, a node whose second deployment succeeds::

    driver_info: {"fake_deploy_delay": "1,2",
                  "fake_deploy_fail": "disk is full",
                  "fake_deploy_fail_times": 1}

Steps named ``pretend`` bring their script with them, as arguments
(``ARGUMENTS``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from baremetal_backend.conf.settings import FakeSettings, parse_delay
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.core.records import Json, Node

#: Operation to (interface type, the ``[fake]`` option with its delay or "").
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "power": ("power", "power"),
    "verify": ("power", "power"),
    "boot": ("boot", "boot"),
    "deploy": ("deploy", "deploy"),
    "undeploy": ("deploy", "deploy"),
    "clean": ("deploy", "deploy"),
    "inspect": ("inspect", "inspect"),
    "rescue": ("rescue", "rescue"),
    "unrescue": ("rescue", "rescue"),
    "management": ("management", "management"),
    "console": ("console", ""),
    "raid": ("raid", "raid"),
    "bios": ("bios", "bios"),
}

_ASPECTS = {
    "delay": 'seconds that it takes: a number or a range "1,3"',
    "fail": "the sentence with which it fails",
    "fail_times": "how often it fails before it works; default: always",
}

#: Operations that may wait for something outside.
WAITING = ("deploy", "clean", "inspect", "rescue", "raid", "bios")

_WAIT = "poll: end later, by a periodic task; heartbeat: by a heartbeat"

#: Arguments of a step that brings its script with it.
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "seconds": {"description": _ASPECTS["delay"]},
    "fail": {"description": _ASPECTS["fail"]},
    "wait": {"description": _WAIT},
}

# Where failures are counted, in driver_internal_info.
_COUNTS = "fake_failures"

# What a node waits for, in driver_internal_info.
_WAITS = "fake_waiting"

By = Literal["poll", "heartbeat"]


@dataclass(frozen=True, slots=True)
class Play:
    """What one run of an operation does."""

    seconds: float
    #: None: it works.
    failure: str | None = None
    #: driver_internal_info with this failure counted; None: unchanged.
    counted: Json | None = None
    #: Who ends it; None: it ends by itself.
    by: By | None = None


def properties(kind: str) -> dict[str, str]:
    """The keys that an interface of this type reads."""
    return {
        f"fake_{operation}_{aspect}": f"Fake {operation}: {meaning}."
        for operation, (owner, _option) in OPERATIONS.items()
        for aspect, meaning in _aspects(operation).items()
        if owner == kind
    }


def _aspects(operation: str) -> Mapping[str, str]:
    if operation in WAITING:
        return {**_ASPECTS, "wait": _WAIT}
    return _ASPECTS


def check(driver_info: Json) -> None:
    """Refuse what can't be played, by key. Errors: HardwareRefused."""
    known = {
        f"fake_{operation}_{aspect}"
        for operation in OPERATIONS
        for aspect in _aspects(operation)
    }
    for key, value in driver_info.items():
        if not key.startswith("fake_"):
            continue
        if key not in known:
            raise HardwareRefused(
                f"driver_info/{key} is not known; operations that can be "
                f"scripted: {', '.join(OPERATIONS)}; aspects: "
                f"{', '.join(_ASPECTS)}, and wait for: {', '.join(WAITING)}."
            )
        if value is None:
            continue
        _check_value(key, value)


def _check_value(key: str, value: Any) -> None:
    if key.endswith("_delay"):
        try:
            parse_delay(value)
        except ValueError as error:
            raise HardwareRefused(f"driver_info/{key}: {error}") from error
    elif key.endswith("_fail_times"):
        _times(key, value)
    elif key.endswith("_wait"):
        _by(f"driver_info/{key}", value)
    elif not isinstance(value, str) or not value.strip():
        raise HardwareRefused(
            f"driver_info/{key}: give the sentence with which it fails."
        )


def _times(key: str, value: Any) -> int:
    # Command line clients send numbers as text.
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise HardwareRefused(
            f'driver_info/{key}: "{value}" is not a number of times.'
        )
    return value


def play(
    node: Node,
    operation: str,
    settings: FakeSettings,
    chance: random.Random,
) -> Play:
    """Decide one run of ``operation``. Errors: HardwareRefused."""
    info = node.driver_info
    check(info)
    option = OPERATIONS[operation][1]
    delay = info.get(f"fake_{operation}_delay")
    low, high = (
        parse_delay(delay)
        if delay is not None
        else settings.delays.get(option, (0.0, 0.0))
    )
    by = info.get(f"fake_{operation}_wait")
    act = Play(chance.uniform(low, high), by=by)
    failure = info.get(f"fake_{operation}_fail")
    if failure is None:
        return act
    limit = info.get(f"fake_{operation}_fail_times")
    if limit is None:
        return replace(act, failure=failure)
    counts = dict(node.driver_internal_info.get(_COUNTS, {}))
    text, happened = counts.get(operation, (failure, 0))
    if text != failure:
        happened = 0
    if happened >= _times(f"fake_{operation}_fail_times", limit):
        return act
    counts[operation] = [failure, happened + 1]
    internal = dict(node.driver_internal_info) | {_COUNTS: counts}
    return replace(act, failure=failure, counted=internal)


def brought(args: Mapping[str, Any], chance: random.Random) -> Play:
    """Decide one run of a step by its arguments. Errors: HardwareRefused."""
    try:
        low, high = parse_delay(args.get("seconds") or 0)
    except ValueError as error:
        raise HardwareRefused(f"seconds: {error}") from error
    failure, wait = args.get("fail"), args.get("wait")
    if failure is not None and not isinstance(failure, str):
        raise HardwareRefused("fail: give the sentence with which it fails.")
    by = None if wait is None else _by("wait", wait)
    return Play(chance.uniform(low, high), failure, None, by)


def _by(key: str, value: Any) -> By:
    if value == "poll":
        return "poll"
    if value == "heartbeat":
        return "heartbeat"
    raise HardwareRefused(f'{key}: "{value}" is neither poll nor heartbeat.')


# -- waiting ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a node waits for."""

    kind: str
    by: By
    #: Seconds since the epoch.
    until: float
    failure: str | None


def wait_for(node: Node, waiting: Waiting) -> dict[str, Any]:
    """driver_internal_info of a node that waits."""
    shown = {
        "interface": waiting.kind,
        "by": waiting.by,
        "until": waiting.until,
        "failure": waiting.failure,
    }
    return {**node.driver_internal_info, _WAITS: shown}


def waits_for(internal: Json) -> Waiting | None:
    """What is noted in this driver_internal_info; None: nothing."""
    shown = internal.get(_WAITS)
    if shown is None:
        return None
    return Waiting(
        shown["interface"], shown["by"], shown["until"], shown["failure"]
    )


def without_waiting(internal: Json) -> dict[str, Any]:
    """driver_internal_info with nothing waited for."""
    return {key: value for key, value in internal.items() if key != _WAITS}
