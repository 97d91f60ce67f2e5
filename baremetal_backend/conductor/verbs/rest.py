# SPDX-License-Identifier: Apache-2.0
"""What is left to do for a node that waits or is held, by its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from baremetal_backend.conductor.operation import Work
from baremetal_backend.conductor.verbs import (
    clean,
    deploy,
    inspect,
    rescue,
    service,
)
from baremetal_backend.core.states import (
    CLEANHOLD,
    CLEANWAIT,
    DEPLOYHOLD,
    DEPLOYWAIT,
    INSPECTWAIT,
    RESCUEWAIT,
    SERVICEHOLD,
    SERVICEWAIT,
)


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of a journey that was interrupted."""

    #: For people, after "Failed to".
    what: str
    work: Work


#: A row for each state that waits or is held.
REST: Mapping[str, Rest] = {
    INSPECTWAIT: Rest("inspect", inspect.rest),
    CLEANWAIT: Rest("clean", clean.rest),
    CLEANHOLD: Rest("clean", clean.rest),
    DEPLOYWAIT: Rest("deploy", deploy.rest),
    DEPLOYHOLD: Rest("deploy", deploy.rest),
    RESCUEWAIT: Rest("rescue", rescue.rest),
    SERVICEWAIT: Rest("service", service.rest),
    SERVICEHOLD: Rest("service", service.rest),
}

__all__ = ["REST", "Rest"]
