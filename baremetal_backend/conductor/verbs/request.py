# SPDX-License-Identifier: Apache-2.0
"""What a verb gets to make its operation from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from baremetal_backend.conf.settings import ConductorSettings
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.loader import Driver
from baremetal_backend.rpc.interface import ProvisioningParams


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request for a verb."""

    verb: str
    #: The node as it was when the request came.
    node: Node
    driver: Driver
    params: ProvisioningParams
    settings: ConductorSettings

    def validate(self, *kinds: str) -> None:
        """Ask interfaces whether the node's data will do.

        Errors: HardwareRefused that names the interface. Nothing was changed.
        """
        for kind in kinds:
            interface = self.driver.find(kind)
            if interface is None:
                continue
            _named(kind, self.node, interface.validate)


def _named(kind: str, node: Node, validate: Callable[[Node], None]) -> None:
    try:
        validate(node)
    except HardwareRefused as error:
        raise HardwareRefused(
            f"Failed to validate {kind} of node {node.uuid}: {error.message}"
        ) from error
