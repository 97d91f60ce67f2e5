# SPDX-License-Identifier: Apache-2.0
"""Calls as messages: plain JSON out, the annotated types back.

A record travels as the mapping of its fields; what comes back is made from
the annotations of ``rpc.interface.Conductor``. Fields that one side does not
know are left out or get their defaults, so that two releases understand each
other while one replaces the other. Where a result may be of any type, its
record's name travels beside it, since users' values may look like anything.
An error travels with its class and all that it knows, and is raised again as
that class.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_backend.core import errors, records
from baremetal_backend.core.errors import BackendError, InternalError
from baremetal_backend.rpc.interface import Conductor

_RECORDS: Mapping[str, type[Any]] = {
    name: found
    for name in records.__all__
    if dataclasses.is_dataclass(found := getattr(records, name))
    and isinstance(found, type)
}


def encode(value: Any) -> Any:
    """JSON for a value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: encode(getattr(value, f.name))
            for f in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(encode(v) for v in value)
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return value


def decode(value: Any, hint: Any) -> Any:
    """The value that the annotation ``hint`` promises, from its JSON."""
    if hint is Any or hint is None:
        return value
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(value, typing.get_args(hint))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(value, hint)
    if origin in (tuple, Sequence, frozenset):
        inner = typing.get_args(hint)[0]
        make = frozenset if origin is frozenset else tuple
        return make(decode(v, inner) for v in value)
    if origin is Mapping:
        inner = typing.get_args(hint)[1]
        return {k: decode(v, inner) for k, v in value.items()}
    return value


def _decode_union(value: Any, hints: Sequence[Any]) -> Any:
    if value is None:
        return None
    choices = [hint for hint in hints if hint is not type(None)]
    for hint in choices:
        origin = typing.get_origin(hint) or hint
        is_record = dataclasses.is_dataclass(hint) or origin is Mapping
        if isinstance(value, Mapping) == is_record:
            return decode(value, hint)
    return value


def _record(value: Mapping[str, Any], cls: type[Any]) -> Any:
    hints = _field_hints(cls)  # type: ignore[arg-type]
    return cls(
        **{k: decode(v, hints[k]) for k, v in value.items() if k in hints}
    )


@functools.cache
def _field_hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@functools.cache
def _method(name: str) -> tuple[inspect.Signature, dict[str, Any]]:
    function = getattr(Conductor, name)
    return inspect.signature(function), typing.get_type_hints(function)


def is_method(name: str) -> bool:
    """Whether a conductor can be asked this."""
    return not name.startswith("_") and callable(
        getattr(Conductor, name, None)
    )


def bound(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call by their names. Errors: TypeError."""
    signature, _ = _method(name)
    arguments = signature.bind(None, *args, **kwargs).arguments
    arguments.pop("self")
    return dict(arguments)


def encode_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a call as JSON."""
    return {name: encode(value) for name, value in arguments.items()}


def decode_arguments(
    method: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments as the method's annotations promise; unknown ones left out."""
    _, hints = _method(method)
    return {
        name: decode(value, hints[name])
        for name, value in arguments.items()
        if name in hints
    }


def encode_result(method: str, value: Any) -> dict[str, Any]:
    """What a method returned, as JSON."""
    _, hints = _method(method)
    answer = {"result": encode(value)}
    if hints.get("return") is Any and type(value).__name__ in _RECORDS:
        answer["record"] = type(value).__name__
    return answer


def encode_error(error: BackendError) -> dict[str, Any]:
    """An error, as JSON."""
    known = {
        name: value
        for name, value in vars(error).items()
        if isinstance(value, str | int | float | bool | None)
    }
    return {
        "error": {
            "class": type(error).__name__,
            "status": error.status,
            "attributes": known,
        }
    }


def opened(method: str, answer: Mapping[str, Any]) -> Any:
    """The result of a call; raises what the other side raised."""
    if "error" in answer:
        raise _error(answer["error"])
    _, hints = _method(method)
    hint = _RECORDS.get(answer.get("record", ""), hints.get("return"))
    return decode(answer.get("result"), hint)


def _error(told: Mapping[str, Any]) -> BackendError:
    cls = getattr(errors, str(told.get("class")), None)
    if not (isinstance(cls, type) and issubclass(cls, BackendError)):
        cls = _of_status(int(told.get("status", 500)))
    attributes = dict(told.get("attributes") or {})
    message = str(attributes.get("message") or cls.__name__)
    # Not through its own constructor, whose arguments made the message.
    error: BackendError = cls.__new__(cls, message)
    BackendError.__init__(
        error, message, retry_after=attributes.get("retry_after")
    )
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def _of_status(status: int) -> type[BackendError]:
    families = (
        errors.Invalid,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.Unavailable,
    )
    found = (cls for cls in families if cls.status == status)
    return next(found, InternalError)


__all__ = [
    "bound",
    "decode",
    "decode_arguments",
    "encode",
    "encode_arguments",
    "encode_error",
    "encode_result",
    "is_method",
    "opened",
]
