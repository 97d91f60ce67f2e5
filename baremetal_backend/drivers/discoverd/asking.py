# SPDX-License-Identifier: Apache-2.0
"""Asks for records, and lets the equipment know how that went.

Only these questions tell whether the service is to be had: a service that
answers them, but fails to begin with a node, is not away. Neither is one that
lists its records, and can't show one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from baremetal_backend.drivers.discoverd.errors import NoAnswer
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.service import InspectionEquipment


def status_of(equipment: InspectionEquipment, uuid: str) -> Status | None:
    """The record of one node; None: there is none. Errors: NoAnswer."""
    status, unheard = None, None
    try:
        status = equipment.service.status(uuid)
    except NoAnswer as error:
        unheard = error
    # Not while it is handled: the log would add it to what is said of it.
    if unheard is not None:
        if not is_of_one_node(equipment, unheard):
            equipment.unheard(unheard)
        raise unheard
    equipment.heard()
    return status


def is_of_one_node(equipment: InspectionEquipment, error: NoAnswer) -> bool:
    """Whether nothing follows for the other nodes."""
    return equipment.lists and error.trouble in ("error", "rubbish")


def statuses_of(
    equipment: InspectionEquipment, uuids: Iterable[str], waiting: int
) -> Mapping[str, Status] | None:
    """The records of all of them that there are; None: it can't list.

    ``waiting``: how many nodes wait, for the log. Errors: NoAnswer.
    """
    found, unheard = None, None
    try:
        found = equipment.service.statuses(uuids)
    except NoAnswer as error:
        unheard = error
    if unheard is not None:
        equipment.unheard(unheard, waiting)
        raise unheard
    equipment.lists = found is not None
    if equipment.lists:
        equipment.heard()
    return found


__all__ = ["is_of_one_node", "status_of", "statuses_of"]
