# SPDX-License-Identifier: Apache-2.0
"""Asks the service to begin with a node that waits.

The service reads the node, validates and reboots it: nobody holds the node
meanwhile. What is asked is written down first, and the record that the
service has by then with it. So the same node may be asked for again at any
time, by whatever conductor, and an inspection that began all the same, after
an answer that was lost or an error, is found by its record.
"""

from __future__ import annotations

import logging
from collections.abc import Container
from dataclasses import replace

from baremetal_backend.core.errors import Conflict, Unavailable
from baremetal_backend.drivers.base import DriverTask
from baremetal_backend.drivers.discoverd import attempt as attempts
from baremetal_backend.drivers.discoverd import properties
from baremetal_backend.drivers.discoverd.asking import status_of
from baremetal_backend.drivers.discoverd.attempt import Attempt
from baremetal_backend.drivers.discoverd.errors import NoAnswer, Refusal
from baremetal_backend.drivers.discoverd.finishing import Finishing
from baremetal_backend.drivers.discoverd.ports import Status
from baremetal_backend.drivers.discoverd.repeats import Repeats
from baremetal_backend.drivers.discoverd.service import InspectionEquipment
from baremetal_backend.drivers.discoverd.wording import shown_url
from baremetal_backend.drivers.periodics import Manager

LOG = logging.getLogger(__name__)

# A service that is busy with an earlier inspection of the node, which nobody
# waits for any more, is asked again after so many seconds, and so often.
_BUSY_AGAIN = 5.0
_MOST_BUSY = 12

# Seconds after which it is written down again that a node was accepted: the
# service reboots it just then, and has it for that.
_NOTE_AGAIN = 2.0


class Starting:
    """Owned by the interface; used by the threads of the equipment."""

    def __init__(
        self, equipment: InspectionEquipment, finishing: Finishing
    ) -> None:
        self._equipment = equipment
        self._finishing = finishing
        self._busy = Repeats()
        self._unanswered = Repeats()

    def start(
        self,
        task: DriverTask,
        attempt: Attempt,
        status: Status | None,
        manager: Manager,
    ) -> None:
        """Ask, once. ``status``: the record that the service has now.

        A start that is not answered is asked for again at the next poll.
        Errors: Conflict (somebody has the node, or wrote it), NoAnswer.
        """
        uuid, changes = task.node.uuid, {}
        asked = attempt.asking(status)
        if attempt.owed and (status is None or status.finished):
            # A record that is replaced tells no more what it wrote.
            changes = self._finishing.owed(task, attempt, status)
            present = changes.get("properties", task.node.properties)
            kept = properties.kept(present)
            asked = replace(asked, kept=kept, owed={})
        if asked != attempt:
            task.save(**changes, **attempts.written(task.node, asked))
        failed: NoAnswer | Refusal | None = None
        try:
            self._equipment.service.start(uuid)
        except (NoAnswer, Refusal) as error:
            failed = error
        if isinstance(failed, NoAnswer):
            self._not_answered(uuid, asked, failed)
        elif failed is not None:
            self._refused(task, asked, failed, manager)
        else:
            LOG.info(
                "Node %s: the inspection service at %s accepted it.",
                uuid,
                shown_url(self._url),
            )
            self.note(task, asked)

    def keep(self, uuids: Container[str]) -> None:
        """Remember nothing of other nodes."""
        self._busy.keep(uuids)
        self._unanswered.keep(uuids)

    @property
    def _url(self) -> str:
        return self._equipment.settings.discoverd.service_url or ""

    def note(self, task: DriverTask, attempt: Attempt) -> None:
        """The service has begun: from now on its record must be there."""
        uuid = task.node.uuid
        self._busy.forget(uuid)
        self._unanswered.forget(uuid)
        if attempt.answered:
            return
        try:
            task.save(**attempts.written(task.node, attempt.begun()))
        except (Conflict, Unavailable):
            # Nothing is lost: the record tells the same.
            self._equipment.mark_due(uuid, _NOTE_AGAIN)

    def _not_answered(
        self, uuid: str, attempt: Attempt, error: NoAnswer
    ) -> None:
        first = self._unanswered.count(uuid, attempt) == 1
        LOG.log(
            logging.WARNING if first else logging.DEBUG,
            "Node %s: the inspection service did not say that it accepted "
            "it: %s%s",
            uuid,
            error,
            " It may begin all the same; its record will tell."
            if error.may_have_begun
            else "",
        )

    def _refused(
        self,
        task: DriverTask,
        attempt: Attempt,
        error: Refusal,
        manager: Manager,
    ) -> None:
        uuid = task.node.uuid
        status = status_of(self._equipment, uuid)
        if status is not None and attempt.owns(status):
            LOG.info(
                "Node %s: the inspection service has begun with it already.",
                uuid,
            )
            self.note(task, attempt)
        elif (
            status is not None
            and not status.finished
            and self._busy.count(uuid, attempt) <= _MOST_BUSY
        ):
            LOG.debug("Node %s: asked for again soon: %s", uuid, error)
            self._equipment.mark_due(uuid, _BUSY_AGAIN)
        else:
            self._busy.forget(uuid)
            self._finishing.refuse(task, str(error), manager)


__all__ = ["Starting"]
