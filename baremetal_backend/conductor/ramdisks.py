# SPDX-License-Identifier: Apache-2.0
"""What runs on a node on its way reports: who it is, and that it is there.

A ramdisk asks for a token once and shows it with each heartbeat. Only a digest
of the token is stored. The deploy interface decides what a heartbeat means;
what is on its way then goes on, or fails, as after any other report. However
many ramdisks report, they take no hand from clients, and refuse no request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from baremetal_backend.conductor import continuation
from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
    InvalidState,
    NodeNotFound,
)
from baremetal_backend.core.journey import AGENT_URL, TOKEN
from baremetal_backend.core.lanes import BACKGROUND
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import RAMDISK_STATES, STATES, Kind


class Ramdisks(Part):
    """Calls of the node's own ramdisk."""

    def agent_token(self, node_id: str) -> str | None:
        """See ``rpc.interface.Conductor``."""
        tasks = self._context.tasks
        with tasks.exclusive(node_id, "lookup", BACKGROUND) as task:
            node = task.node
            # Whoever asks is not known: he learns nothing about others.
            if node.provision_state not in RAMDISK_STATES:
                raise NodeNotFound(node_id)
            if TOKEN in node.driver_internal_info:
                return None
            token = secrets.token_urlsafe(32)
            task.save(
                driver_internal_info={
                    **node.driver_internal_info,
                    TOKEN: _digest(token),
                }
            )
            return token

    def heartbeat(
        self,
        node_id: str,
        callback_url: str,
        agent_token: str,
        agent_version: str | None = None,
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        _check(self._context.storage.nodes.get(node_id), agent_token)
        over, failure = False, None
        tasks = self._context.tasks
        with tasks.exclusive(node_id, "heartbeat", BACKGROUND) as task:
            _check(task.node, agent_token)
            noted = {
                AGENT_URL: callback_url,
                "agent_last_heartbeat": task.now,
                "agent_version": agent_version,
            }
            task.save(
                driver_internal_info={
                    **task.node.driver_internal_info,
                    **noted,
                }
            )
            if STATES[task.node.provision_state].kind is Kind.WAITING:
                try:
                    over = task.driver.deploy.heartbeat(task, callback_url)
                except HardwareFailed as error:
                    failure = error.message
            seen = task.node
        if failure is not None:
            continuation.fail(self._context, seen.uuid, failure, seen)
        elif over:
            continuation.resume(self._context, seen.uuid, seen)


def _check(node: Node, token: str) -> None:
    """Errors: InvalidState, InvalidParameterValue."""
    if node.provision_state not in RAMDISK_STATES:
        raise InvalidState(
            f'Node {node.uuid} is "{node.provision_state}"; nothing is '
            "expected to report for it."
        )
    expected = node.driver_internal_info.get(TOKEN)
    if not isinstance(expected, str) or not hmac.compare_digest(
        expected, _digest(token)
    ):
        raise InvalidParameterValue(
            f"agent_token: is missing or not the one that was given out for "
            f"node {node.uuid}."
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
