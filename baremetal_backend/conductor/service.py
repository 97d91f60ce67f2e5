# SPDX-License-Identifier: Apache-2.0
"""The conductor: all calls of ``rpc.interface.Conductor`` in this process."""

from __future__ import annotations

from collections.abc import Sequence

from baremetal_backend.conductor.enrolment import Enrolment
from baremetal_backend.conductor.indicators import Indicators
from baremetal_backend.conductor.locks import Locks
from baremetal_backend.conductor.management import Management
from baremetal_backend.conductor.passthru import VendorCalls
from baremetal_backend.conductor.power_sync.published import PowerReports
from baremetal_backend.conductor.provisioning import Provision
from baremetal_backend.conductor.ramdisks import Ramdisks
from baremetal_backend.conductor.resources import Resources
from baremetal_backend.core.errors import ConductorNotFound
from baremetal_backend.rpc.interface import (
    Conductor,
    PeriodicTaskInfo,
)


class ConductorService(
    Enrolment,
    Provision,
    Management,
    Indicators,
    VendorCalls,
    Ramdisks,
    Resources,
    Locks,
    PowerReports,
    Conductor,
):
    """One conductor, serving every node whose hardware type is enabled."""

    def periodics(self, host: str) -> Sequence[PeriodicTaskInfo]:
        """See ``rpc.interface.Conductor``."""
        if host != self._context.settings.host:
            raise ConductorNotFound(host)
        return self._context.periodic_statistics.snapshot()
