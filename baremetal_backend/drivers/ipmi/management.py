# SPDX-License-Identifier: Apache-2.0
"""Management interface ``ipmi``: boot device, indicator, interrupt, resets.

Which boot device was set last is remembered in ``driver_internal_info``: a
BMC may forget it, and then it is set again before the node is switched on
(``ipmi_force_boot_device``), or shown where the BMC does not tell.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    DriverTask,
    Indicator,
    Pause,
    Progress,
    StepProgress,
    Steps,
    clean_step,
    service_step,
)
from baremetal_backend.drivers.ipmi import boot_options
from baremetal_backend.drivers.ipmi.boot_options import BootFlags
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_IDENTIFY,
    CHASSIS_STATUS,
    CLEAR_SEL,
    COLD_RESET,
    DIAGNOSTIC_INTERRUPT,
    GET_BOOT_FLAGS,
    RESERVE_SEL,
    SET_BOOT_OPTIONS,
    WARM_RESET,
    Command,
)
from baremetal_backend.drivers.ipmi.driver_info import Access
from baremetal_backend.drivers.ipmi.errors import (
    IpmiError,
    Refused,
    Unanswered,
)
from baremetal_backend.drivers.ipmi.interface import IpmiInterface, with_data
from baremetal_backend.drivers.remembered import remember

LOG = logging.getLogger(__name__)

_REMEMBERED = "ipmi_boot_device"

#: The lamp that every BMC with Chassis Identify has.
IDENTIFY = Indicator("system", "led", ("on", "off", "blinking"))

# Seconds for which a lamp blinks: the most that a byte can say.
_BLINK = 0xFF

# State to the bytes of Chassis Identify (IPMI 2.0, section 28.5).
_IDENTIFY = {"on": (0, 1), "off": (0, 0), "blinking": (_BLINK,)}

# Bits 5 and 4 of the third byte of the chassis status (table 28-3).
_SHOWN = {0: "off", 1: "blinking", 2: "on"}

_RESETS = {"cold": COLD_RESET, "warm": WARM_RESET}

_RESET_ARGUMENTS = {
    "kind": {"description": '"cold" (default) or "warm".', "required": False}
}

# Seconds for a log to be erased, and between two looks at it.
_ERASE = 60.0
_LOOK = 0.5


class IpmiManagement(IpmiInterface, base.ManagementInterface):
    """What a BMC does beside switching."""

    name = "ipmi"

    # -- boot device ----------------------------------------------------------

    def boot_devices(self, node: Node) -> Sequence[str]:
        """What IPMI has a selector for."""
        return tuple(boot_options.DEVICES)

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        """What the BMC says; else what was set last. Errors: HardwareFailed.

        Several BMCs take the flags and report none.
        """
        access = self.access(node)
        answer = self.call(access, GET_BOOT_FLAGS)
        try:
            flags = boot_options.decoded(answer.data)
        except ValueError as error:
            raise HardwareFailed(
                f"{access.bmc.where}: {GET_BOOT_FLAGS.name}: {error}."
            ) from None
        if flags is not None:
            return flags.device, flags.persistent
        known = node.driver_internal_info.get(_REMEMBERED)
        if known is None:
            return None, None
        return known["device"], known["persistent"]

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Progress:
        """Set the flags, and remember. Errors: InvalidParameterValue."""
        if device not in boot_options.DEVICES:
            raise InvalidParameterValue(
                f"Invalid boot device {device} specified; choose one of: "
                f"{', '.join(boot_options.DEVICES)}."
            )
        return self._set_boot_device(task, device, persistent)

    def _set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Steps[None]:
        uefi = boot_options.mode(task.node) == "uefi"
        yield from self._send_flags(task, BootFlags(device, persistent, uefi))
        known = {"device": device, "persistent": persistent}
        remember(task, _REMEMBERED, known)

    def _send_flags(self, task: DriverTask, flags: BootFlags) -> Steps[None]:
        access = self.access(task.node)
        if access.disable_boot_timeout:
            yield from self._keep_flags(access)
        command = with_data(SET_BOOT_OPTIONS, *flags.encoded())
        yield from self.asked(access, command)

    def _keep_flags(self, access: Access) -> Steps[None]:
        """Let flags hold for more than 60 s, where the BMC can do that."""
        keep = with_data(SET_BOOT_OPTIONS, *boot_options.KEEP_FLAGS)
        try:
            yield from self.try_call(access, keep)
        except Refused as error:
            # The parameter is optional (table 28-14); the flags are not.
            LOG.debug("%s", error)
        except IpmiError as error:
            raise HardwareFailed(str(error)) from error

    def before_boot(self, task: DriverTask, again: bool) -> Progress:
        """Set a lasting device again; forget one that holds once."""
        known = task.node.driver_internal_info.get(_REMEMBERED)
        if known is None:
            return None
        if not known["persistent"]:
            # This boot uses it up.
            remember(task, _REMEMBERED, None)
            return None
        if not again:
            return None
        return self._set_boot_device(task, known["device"], True)

    def set_boot_mode(self, task: DriverTask, mode: str) -> Progress:
        """Set the device again that was set for good, with the new mode.

        IPMI has no mode of its own: it is a part of the boot flags.
        """
        known = task.node.driver_internal_info.get(_REMEMBERED)
        if known is None:
            return None
        flags = BootFlags(known["device"], known["persistent"], mode == "uefi")
        return self._send_flags(task, flags)

    # -- indicator ------------------------------------------------------------

    def indicators(self, node: Node) -> Sequence[Indicator]:
        """The one that tells a person which machine it is."""
        return (IDENTIFY,)

    def get_indicator(self, node: Node, indicator: Indicator) -> str:
        """What the BMC says, if it says it."""
        data = self.call(self.access(node), CHASSIS_STATUS).data
        if len(data) < 3 or not data[2] & 0x40:
            return "unknown"
        return _SHOWN.get((data[2] >> 4) & 0x03, "unknown")

    def set_indicator(
        self, task: DriverTask, indicator: Indicator, state: str
    ) -> Progress:
        """Switch it; ``blinking`` ends by itself after four minutes."""
        return self.identify(task, state)

    def identify(self, task: DriverTask, state: str) -> Steps[None]:
        """The same. Errors: HardwareFailed."""
        command = with_data(CHASSIS_IDENTIFY, *_IDENTIFY[state])
        yield from self.asked(self.access(task.node), command)

    # -- interrupt, log, resets -----------------------------------------------

    def inject_nmi(self, task: DriverTask) -> Progress:
        """Once: two interrupts are not one."""
        return self._inject(task)

    def _inject(self, task: DriverTask) -> Steps[None]:
        yield from self.asked(self.access(task.node), DIAGNOSTIC_INTERRUPT)

    @clean_step(priority=0)
    @service_step()
    def clear_sel(self, task: DriverTask) -> StepProgress:
        """Erase the BMC's event log."""
        return self.erase_events(task)

    def erase_events(self, task: DriverTask) -> Steps[None]:
        """The same. Errors: HardwareFailed."""
        access = self.access(task.node)
        reservation = (yield from self.asked(access, RESERVE_SEL)).data[:2]
        erase = _clear(reservation, 0xAA)
        done = (yield from self.asked(access, erase)).data
        until = self.monotonic() + _ERASE
        while not done or done[0] & 0x0F != 1:
            if self.monotonic() > until:
                raise HardwareFailed(
                    f"{access.bmc.where}: the event log was not erased within "
                    f"{_ERASE:.0f} s."
                )
            done = (yield from self.asked(access, _clear(reservation, 0))).data
            if not done or done[0] & 0x0F != 1:
                yield Pause(_LOOK)

    @clean_step(priority=0, argsinfo=_RESET_ARGUMENTS)
    @service_step(argsinfo=_RESET_ARGUMENTS)
    def reset_bmc(self, task: DriverTask, kind: str = "cold") -> StepProgress:
        """Restart the BMC, and wait until it answers again."""
        if kind not in _RESETS:
            raise InvalidParameterValue(
                f'kind: {kind!a} is unknown; choose "cold" or "warm".'
            )
        return self.restart(task, kind)

    def restart(self, task: DriverTask, kind: str) -> Steps[None]:
        """Restart the BMC; done when it answers. Errors: HardwareFailed."""
        access = self.access(task.node)
        try:
            yield from self.try_call(access, _RESETS[kind])
        except Unanswered:
            # It restarted before it said so; what follows shows it.
            pass
        except IpmiError as error:
            raise HardwareFailed(str(error)) from error
        self.client.forget(access.bmc)
        yield from self._answers(access)

    def _answers(self, access: Access) -> Steps[None]:
        limit = self.settings.ipmi.bmc_reset_timeout
        began = self.monotonic()
        # It may answer the old way for a moment before it goes down.
        yield Pause(self.settings.ipmi.bmc_reset_pause)
        while True:
            try:
                yield from self.try_call(access, CHASSIS_STATUS)
            except IpmiError as error:
                if self.monotonic() - began > limit:
                    raise HardwareFailed(
                        f"{access.bmc.where}: the BMC was restarted and did "
                        f"not come back within {limit:.0f} s; the last try: "
                        f"{error}"
                    ) from error
                yield Pause(1.0)
            else:
                return


def _clear(reservation: bytes, action: int) -> Command:
    return with_data(CLEAR_SEL, *reservation, *b"CLR", action)


__all__ = ["IDENTIFY", "IpmiManagement"]
