# SPDX-License-Identifier: Apache-2.0
"""The controller's HTTP calls. The only module that knows HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from baremetal_backend.core.errors import HardwareFailed, HardwareRefused
from baremetal_backend.core.records import Node

PROPERTIES = {
    "shelf_address": "URL of the shelf's controller. Required.",
    "shelf_slot": "Number of the node's slot. Required.",
}


def validate(node: Node) -> None:
    """Look at the node's data only. Errors: HardwareRefused."""
    for key in PROPERTIES:
        if not node.driver_info.get(key):
            raise HardwareRefused(f"driver_info/{key} is missing.")
    if not str(node.driver_info["shelf_slot"]).isdecimal():
        raise HardwareRefused("driver_info/shelf_slot is not a number.")


def call(
    node: Node, method: str, path: str, timeout: float, body: Any = None
) -> Any:
    """One call about the node's slot. Errors: HardwareFailed."""
    info = node.driver_info
    request = urllib.request.Request(
        f"{info['shelf_address']}/slots/{info['shelf_slot']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise HardwareFailed(
            f"Controller {info['shelf_address']}: {error}"
        ) from error
