# SPDX-License-Identifier: Apache-2.0
"""Decorators that describe methods of hardware interfaces as steps.

They leave a frozen record at the function and give it back as it is; who runs
a step, and when, is the conductor's business. What can't be meant is refused
at import. Use them through ``drivers.base``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from baremetal_backend.core.states import StepKind
from baremetal_backend.core.steps import RESERVED, STEP_KINDS, Argument, Step

F = TypeVar("F", bound=Callable[..., Any])

# Where decorators leave descriptions: kind of step to Step.
_DESCRIBED = "_baremetal_steps"


def clean_step(
    *,
    priority: int = 0,
    abortable: bool = False,
    argsinfo: Mapping[str, Mapping[str, Any]] | None = None,
    requires_ramdisk: bool = False,
) -> Callable[[F], F]:
    """Describe a method that makes a node clean.

    ``priority``: above 0, automated cleaning runs it, the highest first.
    ``abortable``: ``abort`` may end it while it waits; otherwise an abort is
    heeded when it is over. ``argsinfo``: argument to ``{"description": text,
    "required": bool}``. ``requires_ramdisk``: refused in a request with
    ``disable_ramdisk``. The first line of the docstring is its description.
    Errors, at import: TypeError, ValueError.
    """
    return _described("clean", priority, abortable, argsinfo, requires_ramdisk)


def deploy_step(
    *,
    priority: int = 0,
    argsinfo: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[F], F]:
    """Describe a method that can be a part of a deployment.

    See ``clean_step``; with a priority above 0 each deployment runs it.
    """
    return _described("deploy", priority, False, argsinfo, False)


def service_step(
    *,
    abortable: bool = False,
    argsinfo: Mapping[str, Mapping[str, Any]] | None = None,
    requires_ramdisk: bool = False,
) -> Callable[[F], F]:
    """Describe a method that can be run beside an instance, on request."""
    return _described("service", 0, abortable, argsinfo, requires_ramdisk)


def verify_step(*, priority: int = 0) -> Callable[[F], F]:
    """Describe a method that is run when a new node is first contacted.

    It can't end with ``WAIT``. Priority 0: it is not run.
    """
    return _described("verify", priority, False, None, False)


def _described(
    kind: StepKind,
    priority: int,
    abortable: bool,
    argsinfo: Mapping[str, Mapping[str, Any]] | None,
    requires_ramdisk: bool,
) -> Callable[[F], F]:
    def describe(method: F) -> F:
        where = f"{kind}_step on {method.__qualname__}"
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(f"{where}: priority must be a whole number.")
        if priority < 0:
            raise ValueError(f"{where}: priority must not be negative.")
        if method.__name__ in RESERVED:
            raise ValueError(
                f"{where}: the name is reserved; every node has this step."
            )
        arguments = _arguments(where, argsinfo)
        _check_signature(where, method, arguments or {})
        step = Step(
            kind,
            method.__name__,
            (method.__doc__ or "").strip().partition("\n")[0],
            priority,
            abortable,
            arguments,
            requires_ramdisk,
        )
        known = dict(getattr(method, _DESCRIBED, {}))
        setattr(method, _DESCRIBED, known | {kind: step})
        return method

    return describe


def _arguments(
    where: str, argsinfo: Mapping[str, Mapping[str, Any]] | None
) -> Mapping[str, Argument] | None:
    if argsinfo is None:
        return None
    try:
        return {
            name: Argument(
                str(info["description"]), info.get("required", False) is True
            )
            for name, info in argsinfo.items()
        }
    except (AttributeError, KeyError, TypeError):
        raise TypeError(
            f'{where}: argsinfo must be {{name: {{"description": text, '
            '"required": bool}}.'
        ) from None


def _check_signature(
    where: str, method: Callable[..., Any], arguments: Mapping[str, Argument]
) -> None:
    """Whether the method can be called with whatever passes the check."""
    # The first two are the interface and the task.
    parameters = list(inspect.signature(method).parameters.values())[2:]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    for name in arguments:
        if name not in known and not takes_any:
            raise TypeError(f'{where}: it has no parameter "{name}".')
    for name, parameter in known.items():
        given = name in arguments and arguments[name].required
        if parameter.default is parameter.empty and not given:
            raise TypeError(
                f'{where}: parameter "{name}" needs a default, or argsinfo '
                "that says it is required."
            )


@functools.cache
def described_steps(cls: type) -> Mapping[StepKind, Mapping[str, Step]]:
    """What a class and its parents describe: kind to name to step."""
    found: dict[StepKind, dict[str, Step]] = {kind: {} for kind in STEP_KINDS}
    # The most derived class comes last and has the last word.
    for one in reversed(cls.__mro__):
        for name, member in vars(one).items():
            for kind, step in getattr(member, _DESCRIBED, {}).items():
                found[kind][name] = step
    return found


__all__ = [
    "clean_step",
    "deploy_step",
    "described_steps",
    "service_step",
    "verify_step",
]
