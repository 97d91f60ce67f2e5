# SPDX-License-Identifier: Apache-2.0
"""A decorator that describes methods of vendor interfaces to clients.

It leaves a frozen record at the function and gives it back as it is; who may
call a method, and in which thread, is the conductor's business. What can't be
meant is refused at import. Use it through ``drivers.base``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_DESCRIBED = "_baremetal_vendor_method"
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Passthru:
    """What clients may ask of one method."""

    name: str
    description: str
    http_methods: tuple[str, ...]
    #: The client is answered before it is done; how it ended is in the
    #: node's ``last_error``.
    is_async: bool
    #: It gets a task; others get the node, to look at.
    exclusive: bool
    #: Argument to whether it has to be there.
    arguments: Mapping[str, bool]


def vendor_method(
    *http_methods: str, is_async: bool = False, exclusive: bool = True
) -> Callable[[F], F]:
    """Let clients call this method of a vendor interface.

    Its first argument is a ``DriverTask``, or the ``Node`` when it is not
    ``exclusive``; what a client sends are further ones, by name. It returns
    JSON, or a generator of pauses that does. The first line of the docstring
    is its description. Errors, at import: TypeError, ValueError.
    """

    def describe(method: F) -> F:
        where = f"vendor_method on {method.__qualname__}"
        wrong = set(http_methods) - set(_VERBS)
        if wrong or not http_methods:
            raise ValueError(f"{where}: name at least one of {_VERBS}.")
        if is_async and not exclusive:
            raise ValueError(
                f"{where}: what goes on in the background needs the node."
            )
        found = Passthru(
            method.__name__,
            (method.__doc__ or "").strip().partition("\n")[0],
            http_methods,
            is_async,
            exclusive,
            _arguments(where, method),
        )
        setattr(method, _DESCRIBED, found)
        return method

    return describe


def _arguments(where: str, method: Callable[..., Any]) -> Mapping[str, bool]:
    # The first two are the interface and the task or node.
    found = list(inspect.signature(method).parameters.values())[2:]
    for one in found:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise TypeError(f"{where}: {one} has no name that clients know.")
    return {one.name: one.default is one.empty for one in found}


@functools.cache
def described_methods(cls: type) -> Mapping[str, Passthru]:
    """What a class and its parents offer, by name."""
    found: dict[str, Passthru] = {}
    for one in reversed(cls.__mro__):
        for name, member in vars(one).items():
            if described := getattr(member, _DESCRIBED, None):
                found[name] = described
    return dict(sorted(found.items()))


__all__ = ["Passthru", "described_methods", "vendor_method"]
