# SPDX-License-Identifier: Apache-2.0
"""What drivers remember about a node: values in ``driver_internal_info``.

A value stays with the node, whichever conductor has it.
"""

from __future__ import annotations

from typing import Any

from baremetal_backend.drivers.base import DriverTask


def remember(task: DriverTask, name: str, value: Any) -> None:
    """Keep a JSON value under this name; None: keep nothing.

    Writes only what is new. Errors: as ``DriverTask.save``.
    """
    info = dict(task.node.driver_internal_info)
    if value is None:
        info.pop(name, None)
    else:
        info[name] = value
    if info != task.node.driver_internal_info:
        task.save(driver_internal_info=info)


__all__ = ["remember"]
