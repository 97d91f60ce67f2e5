# SPDX-License-Identifier: Apache-2.0
"""Lamps of nodes, for clients that wait. Looking takes no lock."""

from __future__ import annotations

from collections.abc import Sequence

from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import InvalidParameterValue, NotFound
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import Indicator, ManagementInterface
from baremetal_backend.rpc.interface import IndicatorInfo


class Indicators(Part):
    """The calls about indicators."""

    def get_indicators(self, node_id: str) -> Sequence[IndicatorInfo]:
        """See ``rpc.interface.Conductor``."""
        node, management = self._management(node_id)
        return tuple(
            IndicatorInfo(one.component, one.name, one.states)
            for one in management.indicators(node)
        )

    def get_indicator_state(
        self, node_id: str, component: str, indicator: str
    ) -> str:
        """See ``rpc.interface.Conductor``."""
        node, management = self._management(node_id)
        management.validate(node)
        found = _found(management, node, component, indicator)
        return management.get_indicator(node, found)

    def set_indicator_state(
        self, node_id: str, component: str, indicator: str, state: str
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        node, management = self._management(node_id)
        management.validate(node)
        found = _found(management, node, component, indicator)
        if state not in found.states:
            raise InvalidParameterValue(
                f"state: {component} {indicator} can't be {ascii(state)[:40]};"
                f" choose one of: {', '.join(found.states) or 'none'}."
            )
        purpose = "set_indicator_state"
        with self._context.tasks.exclusive(node.uuid, purpose) as task:
            self._block(management.set_indicator(task, found, state))

    def _management(self, node_id: str) -> tuple[Node, ManagementInterface]:
        node = self._context.storage.nodes.get(node_id)
        return node, self._context.registry.driver(node).management


def _found(
    management: ManagementInterface, node: Node, component: str, name: str
) -> Indicator:
    for one in management.indicators(node):
        if (one.component, one.name) == (component, name):
            return one
    raise NotFound(
        f"Node {node.uuid} has no indicator {ascii(name)[:80]} of component "
        f"{ascii(component)[:80]}."
    )


__all__ = ["Indicators"]
