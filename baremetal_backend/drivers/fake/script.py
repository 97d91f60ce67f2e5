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

Example, a node whose second deployment succeeds::

    driver_info: {"fake_deploy_delay": "1,2",
                  "fake_deploy_fail": "disk is full",
                  "fake_deploy_fail_times": 1}
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

# Where failures are counted, in driver_internal_info.
_COUNTS = "fake_failures"


@dataclass(frozen=True, slots=True)
class Play:
    """What one run of an operation does."""

    seconds: float
    #: None: it works.
    failure: str | None
    #: driver_internal_info with this failure counted; None: unchanged.
    counted: Json | None


def properties(kind: str) -> dict[str, str]:
    """The keys that an interface of this type reads."""
    return {
        f"fake_{operation}_{aspect}": f"Fake {operation}: {meaning}."
        for operation, (owner, _option) in OPERATIONS.items()
        for aspect, meaning in _ASPECTS.items()
        if owner == kind
    }


def check(driver_info: Json) -> None:
    """Refuse what can't be played, by key. Errors: HardwareRefused."""
    known = {
        f"fake_{operation}_{aspect}"
        for operation in OPERATIONS
        for aspect in _ASPECTS
    }
    for key, value in driver_info.items():
        if not key.startswith("fake_"):
            continue
        if key not in known:
            raise HardwareRefused(
                f"driver_info/{key} is not known; operations that can be "
                f"scripted: {', '.join(OPERATIONS)}; aspects: "
                f"{', '.join(_ASPECTS)}."
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
    seconds = chance.uniform(low, high)
    failure = info.get(f"fake_{operation}_fail")
    if failure is None:
        return Play(seconds, None, None)
    limit = info.get(f"fake_{operation}_fail_times")
    if limit is None:
        return Play(seconds, failure, None)
    counts = dict(node.driver_internal_info.get(_COUNTS, {}))
    text, happened = counts.get(operation, (failure, 0))
    if text != failure:
        happened = 0
    if happened >= _times(f"fake_{operation}_fail_times", limit):
        return Play(seconds, None, None)
    counts[operation] = [failure, happened + 1]
    internal = dict(node.driver_internal_info) | {_COUNTS: counts}
    return Play(seconds, failure, internal)
