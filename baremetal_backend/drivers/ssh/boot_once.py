# SPDX-License-Identifier: Apache-2.0
"""A boot device that holds for one boot only, which libvirt doesn't know.

Until the machine is switched on, the device is only remembered. Then the
definition is changed, the machine started, and the definition put back at
once: a machine that runs keeps the order that it was started with, until it
is off.

What is to be put back is in the node's ``driver_internal_info`` before the
definition is changed. A conductor that dies in between leaves it to whoever
next switches the machine on, or sets a boot device: that begins with putting
back. The device counts as used then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import DriverTask
from baremetal_backend.drivers.remembered import remember
from baremetal_backend.drivers.ssh import boot_order
from baremetal_backend.drivers.ssh.virsh import Machine

#: {"device": "pxe"}; from the change of the definition on also "put_back", a
#: ``BootOrder``, and "machine", the uuid of whose it is.
REMEMBERED: Final = "ssh_boot_once"

T = TypeVar("T")


def waiting(node: Node) -> str | None:
    """The device for the next boot; None: no other than always."""
    known = node.driver_internal_info.get(REMEMBERED)
    if known is None or "put_back" in known:
        return None
    return str(known["device"])


def is_begun(node: Node) -> bool:
    """Whether a definition has to be put back."""
    known = node.driver_internal_info.get(REMEMBERED)
    return known is not None and "put_back" in known


def want(task: DriverTask, device: str) -> None:
    """Boot from this device the next time."""
    remember(task, REMEMBERED, {"device": device})


def forget(task: DriverTask) -> None:
    """Boot as always."""
    remember(task, REMEMBERED, None)


def begin(task: DriverTask, machine: Machine) -> bool:
    """Let the next start be from the device that waits, if one does.

    True: that was begun before, and perhaps the machine was started, too.
    Errors: SshError, HardwareFailed.
    """
    known = task.node.driver_internal_info.get(REMEMBERED)
    if known is None:
        return False
    resumed = is_begun(task.node)
    definition = machine.definition()
    if not resumed:
        before = _understood(machine, boot_order.order, definition)
        more = {"put_back": before, "machine": machine.uuid}
        remember(task, REMEMBERED, known | more)
    _define(machine, definition, boot_order.with_first, known["device"])
    return resumed


def put_back(task: DriverTask, machine: Machine, used: bool = True) -> None:
    """End what was begun, if it was; ``used``: the device has had its boot.

    Errors: SshError, HardwareFailed.
    """
    if not is_begun(task.node):
        return
    known = task.node.driver_internal_info[REMEMBERED]
    # The node may be another machine's by now.
    if known["machine"] == machine.uuid:
        _define(
            machine,
            machine.definition(),
            boot_order.with_order,
            known["put_back"],
        )
    left = None if used else {"device": known["device"]}
    remember(task, REMEMBERED, left)


def _define(
    machine: Machine,
    definition: bytes,
    change: Callable[[bytes, Any], bytes],
    wanted: Any,
) -> None:
    changed = _understood(machine, change, definition, wanted)
    if changed != definition:
        machine.define(changed)


def for_good(machine: Machine, device: str) -> None:
    """Boot from this device always. Errors: SshError, HardwareFailed."""
    _define(machine, machine.definition(), boot_order.with_first, device)


def always(node: Node, machine: Machine) -> str | None:
    """What the machine boots from when nothing else is asked for; None: what
    clients have no word for. Errors: SshError, HardwareFailed."""
    definition = machine.definition()
    known = node.driver_internal_info.get(REMEMBERED) or {}
    if known.get("machine") == machine.uuid:
        definition = _understood(
            machine, boot_order.with_order, definition, known["put_back"]
        )
    return _understood(machine, boot_order.first, definition)


def _understood(
    machine: Machine, read: Callable[..., T], *arguments: Any
) -> T:
    """What ``read`` makes of a definition. Errors: HardwareFailed."""
    try:
        return read(*arguments)
    except ValueError as error:
        raise HardwareFailed(
            f"{machine.where}: the machine's definition can't be used: "
            f"{error}."
        ) from None


__all__ = [
    "REMEMBERED",
    "always",
    "begin",
    "for_good",
    "forget",
    "is_begun",
    "put_back",
    "waiting",
    "want",
]
