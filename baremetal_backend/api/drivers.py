# SPDX-License-Identifier: Apache-2.0
"""``/v1/drivers``: hardware types that conductors serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baremetal_backend.api import links, wellformed
from baremetal_backend.api.call import Answer, Call, answer, takes
from baremetal_backend.api.faults import BadField
from baremetal_backend.core.errors import DriverNotFound
from baremetal_backend.core.records import INTERFACES
from baremetal_backend.rpc.interface import HardwareTypeInfo

# Interface types that came after 1.30, which brought types with interfaces.
_SINCE: Mapping[str, int] = {
    "storage": 33,
    "rescue": 38,
    "bios": 40,
    "firmware": 86,
}
_CHOICES = tuple(
    f"{word}_{kind}_interface{ending}"
    for kind in INTERFACES
    for word, ending in (("default", ""), ("enabled", "s"))
)
_NAMES = ("name", "hosts", "type", "properties", "links", *_CHOICES)


@takes("type", "detail", "fields")
def listing(call: Call) -> Answer:
    """GET /v1/drivers"""
    kind = call.query.get("type")
    if kind is not None:
        call.needs(30, "type")
        wellformed.one_of(kind, "type", ("classic", "dynamic"))
    if "detail" in call.query:
        call.needs(30, "detail")
    detail = bool(call.flag("detail"))
    names = _chosen(call)
    if detail and names is not None:
        raise BadField(
            "detail", "Can not specify detail and fields in the same request"
        )
    types = [] if kind == "classic" else call.directory.hardware_types()
    return answer(
        {"drivers": [_document(call, t, detail, names) for t in types]}
    )


@takes("fields")
def show(call: Call, driver: str) -> Answer:
    """GET /v1/drivers/{driver}"""
    names = _chosen(call)
    return answer(
        _document(call, _named(call, driver), call.version >= 30, names)
    )


def properties(call: Call, driver: str) -> Answer:
    """GET /v1/drivers/{driver}/properties"""
    return answer(dict(_named(call, driver).properties))


def vendor_methods(call: Call, driver: str) -> Answer:
    """GET /v1/drivers/{driver}/vendor_passthru/methods"""
    _named(call, driver)
    return answer({})


def _named(call: Call, name: str) -> HardwareTypeInfo:
    wanted = wellformed.ident(name, "driver")
    for kind in call.directory.hardware_types():
        if kind.name == wanted:
            return kind
    raise DriverNotFound(wanted)


def _chosen(call: Call) -> tuple[str, ...] | None:
    if "fields" not in call.query:
        return None
    call.needs(77, "fields")
    names = tuple(call.query["fields"].split(","))
    for name in names:
        if name not in _NAMES:
            raise BadField(
                "fields", f"{wellformed.shown(name)} is not a valid field"
            )
    return names


def _document(
    call: Call,
    kind: HardwareTypeInfo,
    detail: bool,
    names: tuple[str, ...] | None,
) -> dict[str, Any]:
    path = f"drivers/{kind.name}"
    document: dict[str, Any] = {"name": kind.name, "hosts": list(kind.hosts)}
    if call.version >= 14:
        document["properties"] = links.pair(call.base, f"{path}/properties")
    if call.version >= 30:
        document["type"] = "dynamic"
    if detail or names is not None:
        document |= _interfaces(kind, call.version)
    if names is not None:
        document = {n: v for n, v in document.items() if n in names}
    document["links"] = links.pair(call.base, path)
    return document


def _interfaces(kind: HardwareTypeInfo, version: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, choice in kind.interfaces.items():
        if _SINCE.get(name, 30) <= version:
            shown[f"default_{name}_interface"] = choice.default
            shown[f"enabled_{name}_interfaces"] = list(choice.enabled)
    return shown
