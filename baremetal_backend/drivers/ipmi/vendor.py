# SPDX-License-Identifier: Apache-2.0
"""Vendor interface ``ipmi``: what clients may do by ``vendor_passthru``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import DriverTask, Steps, vendor_method
from baremetal_backend.drivers.ipmi.command import (
    APPLICATION,
    Command,
    Response,
)
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.interface import IpmiInterface, addressed
from baremetal_backend.drivers.ipmi.management import (
    IDENTIFY,
    IpmiManagement,
)
from baremetal_backend.drivers.ipmi.native import decoding
from baremetal_backend.drivers.ipmi.ports import Client
from baremetal_backend.drivers.ipmi.raw_bytes import parsed, shown

# Seconds in which all sensors, or a whole log, have to be read: less than the
# API waits for a conductor, so that the client learns why there is nothing.
_READING = 45.0

_WORDS = {
    True: True, "true": True, "1": True,
    False: False, "false": False, "0": False,
}  # fmt: skip


class IpmiVendor(IpmiInterface, base.VendorInterface):
    """Raw commands, sensors, event log, indicator, restart of the BMC."""

    name = "ipmi"

    #: What does the part of the work that management does as well.
    management: ClassVar[type[IpmiManagement]] = IpmiManagement

    def __init__(self, settings: Settings, client: Client) -> None:
        super().__init__(settings, client)
        self._management = self.management(settings, client)

    def reload(self, settings: Settings) -> None:
        """Also for what does a part of the work."""
        super().reload(settings)
        self._management.reload(settings)

    def forget(self, node: Node) -> None:
        """Also what does a part of the work."""
        self._management.forget(node)
        super().forget(node)

    def check(
        self, node: Node, method: str, arguments: Mapping[str, Any]
    ) -> None:
        """Errors: HardwareRefused, InvalidParameterValue."""
        self.validate(node)
        if method == "send_raw":
            parsed(arguments["raw_bytes"])
        elif method == "bmc_reset":
            _flag("warm", arguments.get("warm", True))
        elif method == "identify":
            _state(arguments.get("state", "on"))

    @vendor_method("POST")
    def send_raw(self, task: DriverTask, raw_bytes: str) -> Steps[Any]:
        """Send a command as bytes, once; answers with the BMC's bytes."""
        return self._send(task, parsed(raw_bytes))

    def _send(self, task: DriverTask, command: Command) -> Steps[Any]:
        access = self.access(task.node)
        try:
            answer = yield from self.asked(access, command)
        finally:
            if command.netfn == APPLICATION:
                # It may have changed the session that all commands share,
                # such as its privilege.
                self.client.forget(access.bmc)
        return {"data": shown(answer.data)}

    @vendor_method("POST", is_async=True)
    def bmc_reset(self, task: DriverTask, warm: object = True) -> Steps[None]:
        """Restart the BMC, and wait until it answers again."""
        kind = "warm" if _flag("warm", warm) else "cold"
        return self._management.restart(task, kind)

    @vendor_method("GET", exclusive=False)
    def sensors(self, node: Node) -> Any:
        """All sensors that can be read, with their values and states."""
        access = self.access(node)
        return {"sensors": self._read(access, decoding.sensors)}

    @vendor_method("GET", exclusive=False)
    def sel(self, node: Node) -> Any:
        """The system event log, the oldest record first."""
        access = self.access(node)
        return {"events": self._read(access, decoding.events)}

    def _read(self, access: Access, read: decoding.Reader) -> Any:
        deadline = self.monotonic() + _READING

        def ask(command: Command) -> Response:
            left = deadline - self.monotonic()
            if left <= 0:
                raise HardwareFailed(
                    f"{access.bmc.where}: not read within {_READING:.0f} s."
                )
            limit = min(left, self.settings.ipmi.command_retry_timeout)
            return self.client.call(
                access.bmc, addressed(access, command), limit
            )

        try:
            return read(access.bmc.where, ask)
        except IpmiError as error:
            raise HardwareFailed(str(error)) from error

    @vendor_method("POST", is_async=True)
    def clear_sel(self, task: DriverTask) -> Steps[None]:
        """Erase the system event log."""
        return self._management.erase_events(task)

    @vendor_method("POST", "PUT")
    def identify(self, task: DriverTask, state: str = "on") -> Steps[None]:
        """Switch the lamp of the machine: on, off or blinking."""
        return self._management.identify(task, _state(state))


def _state(value: object) -> str:
    if isinstance(value, str) and value.lower() in IDENTIFY.states:
        return value.lower()
    raise InvalidParameterValue(
        f"state: {ascii(value)[:40]} is unknown; choose one of: "
        f"{', '.join(IDENTIFY.states)}."
    )


def _flag(name: str, value: object) -> bool:
    key = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(key, bool | str) or key not in _WORDS:
        raise InvalidParameterValue(f"{name}: give true or false.")
    return _WORDS[key]


__all__ = ["IpmiVendor"]
