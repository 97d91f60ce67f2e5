# SPDX-License-Identifier: Apache-2.0
"""What a JSON patch means for a resource. Pure.

Operations add, replace, remove and test of RFC 6902. A top-level field
always exists: removing it gives it its empty value. A failed test is a
conflict (409): somebody else changed what the client relied on.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer

from baremetal_backend.api import strict_json
from baremetal_backend.api.faults import BadField
from baremetal_backend.api.fields import Fields, Schema
from baremetal_backend.api.schemas import Checker
from baremetal_backend.api.wellformed import shown
from baremetal_backend.core.errors import Conflict

MAX_OPERATIONS = 500
#: Characters of one JSON field, after the patch.
MAX_FIELD = 96 * 1024 * 1024

SCHEMA: Schema = {
    "type": "array",
    "maxItems": MAX_OPERATIONS,
    "items": {
        "type": "object",
        "properties": {
            "op": {"enum": ["add", "replace", "remove", "test"]},
            "path": {"type": "string", "maxLength": 4096},
            "value": {},
        },
        "required": ["op", "path"],
        "additionalProperties": False,
    },
}

_PATH = re.compile(r"(/[\w-]+)+\Z")

Operations = Sequence[Mapping[str, Any]]


def touched(operations: Operations, fields: Fields, version: int) -> set[str]:
    """Names of the fields that the operations touch, all of them allowed."""
    names = set()
    for operation in operations:
        path = operation["path"]
        if _PATH.match(path) is None:
            raise BadField(
                "path",
                f"{shown(path)} is not of the form /field or "
                "/field/key, of letters, digits, _ and -",
            )
        name = path.split("/")[1]
        if name not in fields.patchable:
            allowed = ", ".join(sorted(fields.patchable))
            raise BadField(
                f"/{name}",
                f"Cannot patch {shown(path)[1:-1]}. Only the following can "
                f"be updated: {allowed}",
            )
        if operation["op"] != "remove" and "value" not in operation:
            raise BadField(path, "value is required")
        names.add(name)
    fields.check_version(version, sorted(names))
    return names


def patched(
    document: Mapping[str, Any],
    operations: Operations,
    fields: Fields,
    checker: Checker,
) -> dict[str, Any]:
    """Stored values of the fields that differ after the patch.

    ``document``: the present values of all patchable fields.
    """
    result = copy.deepcopy(dict(document))
    for operation in operations:
        _apply(result, operation, fields)
    changed = {
        name: value
        for name, value in result.items()
        if _differs(value, document[name])
    }
    for name, value in changed.items():
        strict_json.check(value, name)
    # Fields that the patch leaves alone may hold what a driver wrote there.
    required = {
        name: document[name]
        for name in document
        if fields.by_name[name].needed
    }
    checker.check({**required, **changed}, "patch")
    return {
        name: value
        for name, value in fields.values(changed).items()
        if _differs(value, document[name])
    }


def _differs(one: Any, other: Any) -> bool:
    # Python takes 1, 1.0 and True for the same; JSON does not.
    if isinstance(one, (dict, list)) and isinstance(other, (dict, list)):
        return json.dumps(one, sort_keys=True) != json.dumps(
            other, sort_keys=True
        )
    return type(one) is not type(other) or bool(one != other)


def _apply(
    document: dict[str, Any], operation: Mapping[str, Any], fields: Fields
) -> None:
    path = operation["path"]
    name, _, inner = path[1:].partition("/")
    op = operation["op"]
    if not inner and op != "test":
        if op != "remove":
            document[name] = copy.deepcopy(operation["value"])
            return
        field = fields.by_name[name]
        if field.needed:
            raise BadField(path, "can't be removed, it is required")
        document[name] = copy.deepcopy(field.empty)
        return
    try:
        jsonpatch.apply_patch(document, [dict(operation)], in_place=True)
    except jsonpatch.JsonPatchTestFailed as error:
        raise Conflict(f"{path}: the test failed, nothing changed.") from error
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
    ) as error:
        raise BadField(
            path, f"Couldn't apply patch operation {op}: {shown(str(error))}"
        ) from error
