# SPDX-License-Identifier: Apache-2.0
"""The page on notifications names the event types that the code sends."""

from __future__ import annotations

import dataclasses
import itertools
import re

from baremetal_backend.core.notices import notice
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES
from tests.docs import pages

PAGE = pages.SOURCE / "admin" / "notifications.rst"


def sent() -> set[str]:
    node = Node(uuid="u", driver="d", provision_state="available")
    changes = [
        {"provision_state": state, "target_power_state": power, **more}
        for state in STATES
        for power in (None, "power on")
        for more in ({}, {"power_state": "power on"}, {"maintenance": True})
    ]
    nodes = [dataclasses.replace(node, **values) for values in changes]
    nodes.append(dataclasses.replace(node, extra={"a": 1}))
    pairs = [
        (None, node),
        (node, None),
        *itertools.product(nodes, repeat=2),
    ]
    return {
        found.event_type
        for before, after in pairs
        for failed in (False, True)
        if (found := notice(before, after, failed))
    }


def documented() -> set[str]:
    found = set()
    rows = re.findall(r"\* - ``baremetal\.node\.(.*)", PAGE.read_text())
    for row in rows:
        first, *others = re.findall(r"[\w.]+", row)
        what = first.rpartition(".")[0]
        found |= {first, *(f"{what}.{other}" for other in others)}
    return {f"baremetal.node.{one}" for one in found}


def test_each_event_type_is_explained_and_none_is_invented():
    assert documented() == sent()
