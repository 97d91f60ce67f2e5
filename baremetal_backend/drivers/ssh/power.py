# SPDX-License-Identifier: Apache-2.0
"""Power interface ``ssh``: switches a virtual machine with virsh.

A switch is done when libvirt shows the state after the command. A host that
can't be reached is tried again, as long as the time of
``[conductor]power_state_change_timeout`` lasts: to start and to pull the plug
do no harm twice. A reset and a press of the power button are sent once.
"""

from __future__ import annotations

from collections.abc import Callable

from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    POWER_OFF,
    POWER_ON,
    DriverTask,
    Pause,
    Progress,
    Steps,
)
from baremetal_backend.drivers.ssh import boot_once
from baremetal_backend.drivers.ssh.errors import Refused, SshError
from baremetal_backend.drivers.ssh.interface import SshInterface
from baremetal_backend.drivers.ssh.virsh import Machine

# Seconds between two looks at the state: grow from one to the other.
_FIRST_LOOK = 0.2
_LONGEST_LOOK = 2.0

# Seconds between two tries to reach a host.
_TRY_AGAIN = 2.0


class SshPower(SshInterface, base.PowerInterface):
    """Switches through libvirt."""

    def verify(self, task: DriverTask) -> Progress:
        """Log in, find the machine, and ask for its state."""
        self.get_power_state(task.node)
        return None

    def get_power_state(self, node: Node) -> str:
        """What libvirt says. Errors: HardwareFailed."""
        with self.machine(node) as machine:
            return machine.state()

    def set_power_state(self, task: DriverTask, state: str) -> Progress:
        """Start it or pull its plug, and look until libvirt shows it."""
        return self._set(task, state)

    def _set(self, task: DriverTask, state: str) -> Steps[None]:
        act = self._on if state == POWER_ON else self._off
        limit = self.settings.power.power_state_change_timeout
        until = self.monotonic() + limit
        if state == POWER_ON and boot_once.is_begun(task.node):
            # Not by this call: somebody died before he had put it back.
            yield from self._tell(task, self._tidy_up, until)
        reached = yield from self._tell(task, act, until)
        if reached != state:
            yield from self._look(task, state, until, limit)

    def _tell(
        self,
        task: DriverTask,
        act: Callable[[DriverTask, Machine], str],
        until: float,
    ) -> Steps[str]:
        """Act, as often as it takes to reach the host. The state after it."""
        while True:
            try:
                with self.machine(task.node) as machine:
                    return act(task, machine)
            except SshError as error:
                if not error.retriable or self.monotonic() > until:
                    raise
            yield Pause(_TRY_AGAIN)

    def _tidy_up(self, task: DriverTask, machine: Machine) -> str:
        boot_once.put_back(task, machine)
        return ""

    def _on(self, task: DriverTask, machine: Machine) -> str:
        used = boot_once.begin(task, machine)
        try:
            machine.start(afresh=boot_once.is_begun(task.node))
            used = True
        except Refused:
            if machine.state() != POWER_ON:
                boot_once.put_back(task, machine, used=False)
                raise
        boot_once.put_back(task, machine, used)
        return machine.state()

    def _off(self, task: DriverTask, machine: Machine) -> str:
        return _ended(machine, machine.destroy)

    def reset(self, task: DriverTask) -> Progress:
        """Press the reset button, once; it boots as when it was started."""
        return self._reset(task)

    def _reset(self, task: DriverTask) -> Steps[None]:
        limit = self.settings.power.power_state_change_timeout
        until = self.monotonic() + limit
        with self.machine(task.node) as machine:
            machine.reset()
        yield from self._look(task, POWER_ON, until, limit)

    def soft_power_off(self, task: DriverTask, timeout: float) -> Progress:
        """Press the power button, once, and wait until it is off."""
        return self._soft(task, timeout)

    def _soft(self, task: DriverTask, timeout: float) -> Steps[None]:
        until = self.monotonic() + timeout
        with self.machine(task.node) as machine:
            if _ended(machine, machine.shut_down) == POWER_OFF:
                return
        yield from self._look(
            task,
            POWER_OFF,
            until,
            timeout,
            "the operating system did not shut down; libvirt did not show",
        )

    def _look(
        self,
        task: DriverTask,
        state: str,
        until: float,
        limit: float,
        failing: str = "the command was taken, but libvirt did not show",
    ) -> Steps[None]:
        """Until libvirt shows the state. Errors: HardwareFailed."""
        pause = _FIRST_LOOK
        last = "it was not asked"
        while (left := until - self.monotonic()) > 0:
            yield Pause(min(pause, left))
            pause = min(2 * pause, _LONGEST_LOOK)
            try:
                seen = self.get_power_state(task.node)
            except SshError as error:
                if not error.retriable:
                    raise
                last = f"the last question: {error}"
            else:
                if seen == state:
                    return
                last = f"it last showed {seen}"
        access = self.access(task.node)
        raise HardwareFailed(
            f"{access.host.where}, {access.machine}: {failing} {state} within "
            f"{limit:.0f} s; {last.rstrip('.')}."
        )


def _ended(machine: Machine, act: Callable[[], None]) -> str:
    """Act on a machine that may be off already. The state after it."""
    try:
        act()
    except Refused:
        if machine.state() != POWER_OFF:
            raise
    return machine.state()


__all__ = ["SshPower"]
