# SPDX-License-Identifier: Apache-2.0
"""The ends of an attempt: well, badly, and by somebody who gave it up.

All three ask for what the service collected, without holding the node, and
put back what it must not replace; then the node goes on or fails, and the
attempt is dropped. Each part may be repeated after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from typing import Any

from baremetal_backend.core.errors import (
    Conflict,
    InvalidParameterValue,
    InvalidState,
    NodeLocked,
    Unavailable,
)
from baremetal_backend.core.records import Json, Node
from baremetal_backend.core.states import INSPECTING, INSPECTWAIT
from baremetal_backend.drivers.base import DriverTask
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd import properties
from baremetal_backend.drivers.discoverd.asking import status_of
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.repeats import Repeats
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.drivers.discoverd.verdict import MOST_MISSES
from baremetal_backend.drivers.periodics import Manager

LOG = logging.getLogger(__name__)

# Times that collected data are asked for, until it goes on without them.
_MOST_TRIES = 3

_CONFLICT = 409

Data = Mapping[str, Any]


class Finishing:
    """Owned by the interface; used by the threads of the equipment."""

    def __init__(self, equipment: InspectionEquipment) -> None:
        self._equipment = equipment
        self._tries = Repeats()
        self._misses = Repeats()

    def finish(self, uuid: str, attempt: Attempt, manager: Manager) -> None:
        """The service finished well: keep what it found, and go on.

        Errors: NoAnswer (try at the next poll), Conflict, Unavailable (try
        soon).
        """
        data = self._data(uuid, attempt)
        if data is not None:
            _keep(uuid, data, manager)
        node = self._put_back(uuid, attempt, data, manager)
        manager.resume(uuid, seen=node)
        self._tries.forget(uuid)
        LOG.info("Node %s: the inspection service has finished it.", uuid)

    def fail(
        self, uuid: str, attempt: Attempt, sentence: str, manager: Manager
    ) -> None:
        """It failed, or there is no record any more. Errors: as ``finish``.

        It may have written into the node before that.
        """
        node = self._put_back(
            uuid, attempt, self._data(uuid, attempt), manager
        )
        self._failed(node, sentence, manager)

    def refuse(
        self, task: DriverTask, sentence: str, manager: Manager
    ) -> None:
        """It never began. Errors: Conflict, Unavailable (try soon)."""
        self._failed(task.node, sentence, manager)

    def _failed(self, node: Node, sentence: str, manager: Manager) -> None:
        manager.fail(node.uuid, sentence, seen=node)
        self._tries.forget(node.uuid)
        task = manager.shared(node.uuid)
        left = attempts.at(task.node)
        if task.node.provision_state == INSPECTWAIT or (
            left != attempts.at(node)
        ):
            # Somebody inspects it again already.
            return
        try:
            task.save(**attempts.written(task.node, None))
        except (Conflict, Unavailable) as error:
            LOG.debug("Node %s: the next poll cleans up: %s", node.uuid, error)

    def clean_up(self, task: DriverTask, manager: Manager) -> None:
        """The node does not wait any more, but its attempt is still there.

        It was aborted, or its time was over, or its conductor died at the
        wrong moment. The service gives it up as well. Errors: NoAnswer (try
        at the next poll), Conflict, Unavailable (try soon).
        """
        uuid, attempt = task.node.uuid, attempts.at(task.node)
        if attempt is None:
            return
        status, data = None, None
        if attempt.asked:
            status = status_of(self._equipment, uuid)
            if not self._given_up(uuid, attempt, status):
                return
            if status is not None and attempt.owns(status):
                data = self._data(uuid, attempt)
            else:
                status = None
        self._misses.forget(uuid)
        self._tries.forget(uuid)
        task = manager.shared(uuid)
        node = task.node
        if waits(node) or attempts.at(node) != attempt:
            return
        wanted = properties.settled(attempt.kept, attempt.owed, data)
        task.save(
            **attempts.written(node, None),
            **_put_back_late(node, wanted, status, data),
        )

    def owed(
        self, task: DriverTask, attempt: Attempt, status: Status | None
    ) -> dict[str, Any]:
        """Changes that put back what an earlier attempt had to.

        ``status``: the record of that one. Errors: NoAnswer.
        """
        data = self._data(task.node.uuid, attempt)
        return _put_back_late(task.node, attempt.owed, status, data)

    def keep(self, uuids: Container[str]) -> None:
        """Remember nothing of other nodes."""
        self._tries.keep(uuids)
        self._misses.keep(uuids)

    def _given_up(
        self, uuid: str, attempt: Attempt, status: Status | None
    ) -> bool:
        """Whether the service does nothing for this attempt any more."""
        if status is None or not attempt.owns(status):
            # What was not answered may still begin.
            return attempt.answered or (
                self._misses.count(uuid, attempt) >= MOST_MISSES
            )
        if status.finished:
            return True
        refusal = None
        try:
            self._equipment.service.abort(uuid)
        except Refusal as error:
            refusal = error
        if refusal is not None:
            if refusal.http_status == _CONFLICT:
                LOG.debug("Node %s: can't be given up yet: %s", uuid, refusal)
                return False
            LOG.warning(
                "Node %s: the inspection service goes on with it: %s",
                uuid,
                refusal,
            )
        else:
            LOG.info(
                "Node %s: the inspection service was told to give it up.",
                uuid,
            )
        return True

    def _data(self, uuid: str, attempt: Attempt) -> Data | None:
        """What was collected; None: that is not to be had. Errors: NoAnswer.

        An inspection that ended does not wait for ever for what is only
        nice to have.
        """
        try:
            return self._equipment.service.data(uuid)
        except NoAnswer as error:
            if self._tries.count(uuid, attempt) < _MOST_TRIES:
                raise
            sentence = str(error)
        LOG.warning(
            "Node %s: its inspection ends without what was collected: %s",
            uuid,
            sentence,
        )
        return None

    def _put_back(
        self,
        uuid: str,
        attempt: Attempt,
        data: Data | None,
        manager: Manager,
    ) -> Node:
        """The node, read after the service ended, with what it had before.

        Errors: Conflict (it went on, somebody has it, somebody wrote it).
        """
        task = manager.shared(uuid)
        node = task.node
        if node.provision_state != INSPECTWAIT or (
            attempts.at(node) != attempt
        ):
            raise InvalidState(f"Node {uuid} went on meanwhile.")
        if node.reservation is not None:
            # Such as the power off with which the service ends: whoever
            # waits for it here keeps a thread from other nodes.
            raise NodeLocked(uuid, node.reservation)
        had = properties.settled(attempt.kept, attempt.owed, data)
        wanted = properties.restored(node.properties, had, data)
        if wanted == node.properties:
            return node
        names = (
            name for name in wanted if wanted[name] != node.properties[name]
        )
        LOG.info(
            "Node %s: keeps its %s; [discoverd]overwrite_existing is false.",
            uuid,
            ", ".join(names),
        )
        return task.save(properties=wanted)


def waits(node: Node) -> bool:
    """Whether the node's present state is about an attempt."""
    return node.provision_state in (INSPECTING, INSPECTWAIT)


def _put_back_late(
    node: Node, had: Json, status: Status | None, data: Data | None
) -> dict[str, Any]:
    """Changes for a node that has not waited for this end."""
    ended_well = status is not None and status.finished and not status.error
    if data is None and not ended_well:
        # What is there is rather an operator's, by now.
        return {}
    return {"properties": properties.restored(node.properties, had, data)}


def _keep(uuid: str, data: Data, manager: Manager) -> None:
    try:
        manager.keep_inventory(uuid, properties.inventory(data))
        return
    except InvalidParameterValue as error:
        sentence = str(error)
    LOG.warning("Node %s: its inventory is not kept: %s", uuid, sentence)


__all__ = ["Finishing", "waits"]
