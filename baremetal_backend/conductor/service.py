# SPDX-License-Identifier: Apache-2.0
"""The conductor: all calls of ``rpc.interface.Conductor`` in this process."""

from __future__ import annotations

from collections.abc import Sequence

from baremetal_backend.conductor.enrolment import Enrolment
from baremetal_backend.conductor.management import Management
from baremetal_backend.conductor.provisioning import Provision
from baremetal_backend.conductor.resources import Resources
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.core.timestamps import timestamp
from baremetal_backend.rpc.interface import (
    Conductor,
    ConductorInfo,
    HardwareTypeInfo,
    InterfaceChoice,
)


class ConductorService(Enrolment, Provision, Management, Resources, Conductor):
    """One conductor, serving every node whose hardware type is enabled."""

    def hardware_types(self) -> Sequence[HardwareTypeInfo]:
        """See ``rpc.interface.Conductor``."""
        return tuple(
            HardwareTypeInfo(
                name=name,
                hosts=(self._context.settings.host,),
                interfaces={
                    kind: InterfaceChoice(str(default), tuple(offered))
                    for kind in INTERFACES
                    if (offered := hardware.interfaces.get(kind))
                    and (default := hardware.default(kind))
                },
                properties=hardware.properties(),
            )
            for name, hardware in self._context.registry.types.items()
        )

    def conductors(self) -> Sequence[ConductorInfo]:
        """See ``rpc.interface.Conductor``."""
        settings = self._context.settings
        return (
            ConductorInfo(
                hostname=settings.host,
                conductor_group=settings.conductor.conductor_group,
                alive=True,
                drivers=tuple(self._context.registry.types),
                created_at=self._context.started_at,
                updated_at=timestamp(self._context.clock()),
            ),
        )

    def conductor_of(self, node: Node) -> str | None:
        """See ``rpc.interface.Conductor``."""
        return self.conductor_for(node.driver, node.conductor_group)

    def conductor_for(self, driver: str, conductor_group: str) -> str | None:
        """See ``rpc.interface.Conductor``."""
        served = driver in self._context.registry.types
        return self._context.settings.host if served else None
