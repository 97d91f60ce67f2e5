# SPDX-License-Identifier: Apache-2.0
"""What goes on without a client: after a wait, or after a dead conductor.

``resume`` and ``fail`` are what a periodic task, a heartbeat or a time limit
has to say to a node that waits; ``again`` is for a takeover. All say what they
saw: a node that went on since then takes nothing of them (409), so that a
late or repeated report never ends another step than the one it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from baremetal_backend.conductor.operation import (
    Continued,
    Failing,
    Operation,
    continued_transition,
)
from baremetal_backend.conductor.parts import Context
from baremetal_backend.conductor.verbs import MAKERS, Request
from baremetal_backend.conductor.verbs.rest import REST
from baremetal_backend.core import journey
from baremetal_backend.core.errors import InvalidState
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import DELETING, STATES, VERBS, VERIFYING
from baremetal_backend.rpc.interface import ProvisioningParams

# States whose work may be done again, and the verb that began it.
_AGAIN = {VERIFYING: "manage", DELETING: "deleted"}


def resume(context: Context, node_id: str, seen: Node | None = None) -> None:
    """What the node waits for is there: go on after the present step.

    ``seen``: the node as the caller looked at it. Returns once the node shows
    that it goes on. Errors: InvalidState (it does not wait, or not for the
    same any more), NodeNotFound, NodeLocked, NoFreeWorker, ShuttingDown,
    StorageUnavailable; nothing was changed.
    """
    node = seen or context.storage.nodes.get(node_id)
    continued_transition(node, "resume")
    rest = REST[node.provision_state]
    context.tasks.spawn_after(
        node.uuid,
        Continued(rest.what, "resume", rest.work, check=unchanged(node)),
    )


def fail(
    context: Context, node_id: str, sentence: str, seen: Node | None = None
) -> None:
    """What the node waits for won't come: fail, with the step's name.

    Errors: as ``resume``.
    """
    node = seen or context.storage.nodes.get(node_id)
    continued_transition(node, "fail")
    rest = REST.get(node.provision_state)
    if rest is None:
        raise InvalidState(
            f'Node {node.uuid} waits for nothing: it is "'
            f'{node.provision_state}".'
        )
    context.tasks.spawn_after(
        node.uuid, Failing(rest.what, sentence, unchanged(node))
    )


def again(context: Context, node: Node) -> Operation:
    """The operation that does the state's work once more, after a takeover.

    Only for states whose row says RESUME. It counts itself at the node
    (``journey.TAKEOVERS``), in the write with which it begins. Errors:
    InvalidState, HardwareRefused, NoValidHost.
    """
    verb = _AGAIN.get(node.provision_state)
    if verb is None:
        raise InvalidState(
            f'Node {node.uuid} is "{node.provision_state}"; that is not '
            "done again."
        )
    request = Request(
        verb,
        node,
        context.registry.driver(node),
        ProvisioningParams(),
        context.settings.conductor,
    )
    first = MAKERS[VERBS[verb].event](request)
    return Continued(first.name, None, first.work, _counted, unchanged(node))


def unchanged(seen: Node) -> Callable[[Node], None]:
    """Refuses a node that is elsewhere on its journey than it was seen."""

    def check(node: Node) -> None:
        if _place(node) != _place(seen):
            raise InvalidState(
                f'Node {node.uuid} went on since it was seen in "'
                f'{seen.provision_state}": it is "{node.provision_state}".'
            )

    return check


def _place(node: Node) -> tuple[object, ...]:
    row = STATES.get(node.provision_state)
    steps = row.steps if row is not None else None
    return (
        node.provision_state,
        node.transition,
        journey.index(node, steps) if steps else None,
        journey.plan(node, steps) if steps else (),
    )


def _counted(node: Node, now: str) -> Mapping[str, Any]:
    info = dict(node.driver_internal_info)
    info[journey.TAKEOVERS] = info.get(journey.TAKEOVERS, 0) + 1
    return {"driver_internal_info": info}


__all__ = ["again", "fail", "resume", "unchanged"]
