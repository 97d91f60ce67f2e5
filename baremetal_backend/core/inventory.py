# SPDX-License-Identifier: Apache-2.0
"""What an inspection collected, made fit to be kept and shown.

A ramdisk's words are not ours: its tools write numbers that JSON does not
have, and its plug-ins may report what they logged in with.
"""

from __future__ import annotations

import math
import re
from typing import Any

from baremetal_backend.core.records import Inventory

#: What is shown in place of a secret.
MASK = "******"

# Where the words of a name in camel case meet.
_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Some are told within any word, as in "bmcpassword"; the others are whole
# words only, since there are "bypass" and "tokenizer".
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret"
    r"|(?<![a-z0-9])"
    r"(pass|pwd|tokens?|credentials?|(private|api)[^a-z0-9]?keys?)"
    r"(?![a-z0-9])"
)


def fit(inventory: Inventory) -> Inventory:
    """The same, without secrets and without NaN or infinite numbers.

    A secret is what has a key that says so, whatever its type; but whether
    there is one (true, false, nothing) is none. None stands for such a number.
    Errors: RecursionError for objects within objects without end.
    """
    return Inventory(_fit(inventory.inventory), _fit(inventory.plugin_data))


def _fit(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if _is_secret(key, found) else _fit(found)
            for key, found in value.items()
        }
    if isinstance(value, list | tuple):
        return [_fit(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_secret(key: Any, value: Any) -> bool:
    if value is None or isinstance(value, bool) or value in ("", [], (), {}):
        return False
    return _SECRET.search(_SEAM.sub("_", str(key)).lower()) is not None


__all__ = ["MASK", "fit"]
