# SPDX-License-Identifier: Apache-2.0
"""Verbs and power, as clients ask for them."""

from __future__ import annotations

from collections.abc import Mapping

from baremetal_backend.conductor import inspection_abort
from baremetal_backend.conductor.operation import requested_transition
from baremetal_backend.conductor.parts import Part
from baremetal_backend.conductor.power import power_change
from baremetal_backend.conductor.verbs import MAKERS, Request
from baremetal_backend.core.errors import (
    BackendError,
    InvalidParameterValue,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.core.states import INSPECTWAIT
from baremetal_backend.drivers.base import Interface
from baremetal_backend.rpc.interface import ProvisioningParams, Validation


class Provision(Part):
    """Starts what takes long."""

    def do_provisioning_action(
        self,
        node_id: str,
        verb: str,
        params: ProvisioningParams = ProvisioningParams(),  # noqa: B008
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        node = self._context.storage.nodes.get(node_id)
        step = requested_transition(verb, node)
        if params.runbook is not None:
            raise InvalidParameterValue("runbook: there are none.")
        request = Request(
            verb,
            node,
            self._context.registry.driver(node),
            params,
            self._context.settings.conductor,
        )
        if verb == "abort" and node.provision_state == INSPECTWAIT:
            lane = self._context.tasks.around.lanes.operator
            operation = inspection_abort.abort(node, request.driver, lane)
        else:
            operation = MAKERS[step.event](request)
        self._context.tasks.spawn_after(node.uuid, operation)

    def change_node_power_state(
        self, node_id: str, target: str, timeout: int | None = None
    ) -> None:
        """See ``rpc.interface.Conductor``."""
        patience = self._context.settings.conductor.soft_power_off_timeout
        operation = power_change(target, timeout or patience)
        node = self._context.storage.nodes.get(node_id)
        operation.begin(node, self._context.tasks.now)
        power = self._context.registry.driver(node).power
        power.validate(node)
        self._context.tasks.spawn_after(node.uuid, operation)

    def validate_driver_interfaces(
        self, node_id: str
    ) -> Mapping[str, Validation]:
        """See ``rpc.interface.Conductor``."""
        node = self._context.storage.nodes.get(node_id)
        driver = self._context.registry.driver(node)
        found = {}
        for kind in INTERFACES:
            try:
                found[kind] = _validate(driver.find(kind), node)
            except BackendError as error:
                found[kind] = Validation(False, error.message)
        return found


def _validate(interface: Interface | None, node: Node) -> Validation:
    if interface is None:
        return Validation(None, "not supported")
    try:
        interface.validate(node)
    except UnsupportedDriverExtension:
        return Validation(None, "not supported")
    return Validation(True, None)
