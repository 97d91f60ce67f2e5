# SPDX-License-Identifier: Apache-2.0
"""Methods that a node's vendor interface offers to clients.

A short one is done while the client waits, with the node for itself or, to
look only, without; a long one is an operation like any other, whose failure
is the node's ``last_error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baremetal_backend.conductor.operation import Decision, End, Task, Work
from baremetal_backend.conductor.parts import Part
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.lanes import OPERATOR, LaneName
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import Passthru, Steps, VendorInterface
from baremetal_backend.rpc.interface import VendorAnswer, VendorMethod


@dataclass(frozen=True, slots=True)
class VendorCall:
    """A method that goes on after its client was answered."""

    method: str
    work: Work

    @property
    def name(self) -> str:
        """What was called."""
        return self.method

    @property
    def topic(self) -> str:
        """The history's event type."""
        return "vendor"

    @property
    def lane(self) -> LaneName:
        """Whose threads do it."""
        return OPERATOR

    def begin(self, node: Node, now: str) -> Decision:
        """Nothing but the end of an old error is seen of it."""
        return Decision(
            {"last_error": None}, f"vendor method {self.method} begins"
        )

    def end(self, node: Node, end: End, now: str) -> Decision:
        """Nothing is written."""
        return Decision(
            dict(end.changes), f"vendor method {self.method} is done"
        )

    def fail(self, node: Node, sentence: str, now: str) -> Decision:
        """Why it failed."""
        error = f"Vendor method {self.method} failed: {sentence}"
        return Decision({"last_error": error}, error)


class VendorCalls(Part):
    """The calls about vendor interfaces."""

    def vendor_methods(self, node_id: str) -> Mapping[str, VendorMethod]:
        """See ``rpc.interface.Conductor``."""
        _node, vendor = self._vendor(node_id)
        if vendor is None:
            return {}
        return {
            name: VendorMethod(
                found.description,
                found.http_methods,
                found.is_async,
                require_exclusive_lock=found.exclusive,
            )
            for name, found in vendor.methods().items()
        }

    def vendor_passthru(
        self,
        node_id: str,
        method: str,
        http_method: str,
        arguments: Mapping[str, Any],
    ) -> VendorAnswer:
        """See ``rpc.interface.Conductor``."""
        node, vendor = self._vendor(node_id)
        if vendor is None or not vendor.methods():
            raise UnsupportedDriverExtension(node.driver, "vendor_passthru")
        found = _found(vendor, method, http_method)
        _check(found, arguments)
        vendor.check(node, method, arguments)
        call = getattr(vendor, method)
        if found.is_async:
            self._in_background(node, call, found, arguments)
            return VendorAnswer(True, None)
        if not found.exclusive:
            return VendorAnswer(False, self._result(call(node, **arguments)))
        with self._context.tasks.exclusive(node.uuid, method) as task:
            return VendorAnswer(False, self._result(call(task, **arguments)))

    def _in_background(
        self,
        node: Node,
        call: Any,
        found: Passthru,
        arguments: Mapping[str, Any],
    ) -> None:
        def work(task: Task) -> Steps[End | None]:
            progress = call(task, **arguments)
            if progress is not None:
                yield from progress
            return None

        operation = VendorCall(found.name, work)
        self._context.tasks.spawn_after(node.uuid, operation)

    def _vendor(self, node_id: str) -> tuple[Node, VendorInterface | None]:
        node = self._context.storage.nodes.get(node_id)
        driver = self._context.registry.driver(node)
        if driver.find("vendor") is None:
            return node, None
        return node, driver.vendor


def _found(vendor: VendorInterface, method: str, http_method: str) -> Passthru:
    offered = vendor.methods()
    found = offered.get(method)
    if found is None:
        raise InvalidParameterValue(
            f"Vendor interface {vendor.name} has no method "
            f"{ascii(method)[:80]}; choose one of: {', '.join(offered)}."
        )
    if http_method not in found.http_methods:
        raise InvalidParameterValue(
            f"The method {method} does not support HTTP {http_method}; use "
            f"{' or '.join(found.http_methods)}."
        )
    return found


def _check(found: Passthru, arguments: Mapping[str, Any]) -> None:
    known = ", ".join(found.arguments) or "none"
    for name in arguments:
        if name not in found.arguments:
            raise InvalidParameterValue(
                f"The method {found.name} has no argument "
                f"{ascii(name)[:80]}; its arguments: {known}."
            )
    for name, required in found.arguments.items():
        if required and name not in arguments:
            raise InvalidParameterValue(
                f"The method {found.name} needs the argument {name}."
            )


__all__ = ["VendorCall", "VendorCalls"]
