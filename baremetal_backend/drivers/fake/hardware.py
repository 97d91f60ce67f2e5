# SPDX-License-Identifier: Apache-2.0
"""The hardware type ``fake-hardware`` and its interfaces.

Each operation takes as long, and fails as often, as ``drivers.fake.script``
says. A pretended node remembers its power state in its record; a new one is
switched off.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
)
from baremetal_backend.core.records import Json, Node
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    CleanStep,
    DriverTask,
    Pause,
    Progress,
    Steps,
)
from baremetal_backend.drivers.fake import script
from baremetal_backend.drivers.noop import (
    NoConsole,
    NoopNetwork,
    NoopStorage,
    NoVendor,
)

# Not for secrets: spreads delays.
_CHANCE = random.Random()  # noqa: S311


class _Scripted(base.Interface):
    """Plays the script of the node that it is called for."""

    def properties(self) -> Mapping[str, str]:
        """The script's keys for this interface type."""
        return script.properties(self.kind)

    def validate(self, node: Node) -> None:
        """Check the script. Errors: HardwareRefused."""
        script.check(node.driver_info)

    def _play(self, task: DriverTask, operation: str) -> Steps[None]:
        act = script.play(task.node, operation, self.settings.fake, _CHANCE)
        yield Pause(act.seconds)
        if act.counted is not None:
            task.save(driver_internal_info=act.counted)
        if act.failure is not None:
            raise HardwareFailed(act.failure)


class FakePower(_Scripted, base.PowerInterface):
    """A switch that only remembers."""

    name = "fake"

    def get_power_state(self, node: Node) -> str:
        """What was set last; off for a new node."""
        return node.power_state or base.POWER_OFF

    def verify(self, task: DriverTask) -> Steps[None]:
        """Answer to the first contact."""
        yield from self._play(task, "verify")

    def set_power_state(self, task: DriverTask, state: str) -> Steps[None]:
        """Take the power delay."""
        yield from self._play(task, "power")

    def reboot(self, task: DriverTask) -> Steps[None]:
        """Take the power delay, once."""
        yield from self._play(task, "power")

    def soft_power_off(self, task: DriverTask, timeout: float) -> Steps[None]:
        """Like power off; the pretended system always listens."""
        yield from self._play(task, "power")


class FakeManagement(_Scripted, base.ManagementInterface):
    """Remembers the boot device."""

    name = "fake"

    _KEY = "fake_boot_device"
    _DEVICES = ("pxe", "disk", "cdrom", "bios", "safe")

    def boot_devices(self, node: Node) -> Sequence[str]:
        """All that it takes."""
        return self._DEVICES

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        """What was set last; PXE for a new node."""
        device, persistent = node.driver_internal_info.get(
            self._KEY, ("pxe", False)
        )
        return device, persistent

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Steps[None]:
        """Remember it. Errors: InvalidParameterValue."""
        if device not in self._DEVICES:
            raise InvalidParameterValue(
                f"Invalid boot device {device} specified; choose one of: "
                f"{', '.join(self._DEVICES)}."
            )
        yield from self._play(task, "management")
        info = dict(task.node.driver_internal_info)
        info[self._KEY] = [device, persistent]
        task.save(driver_internal_info=info)

    def set_boot_mode(self, task: DriverTask, mode: str) -> Steps[None]:
        """Take the management delay."""
        yield from self._play(task, "management")

    def set_secure_boot(self, task: DriverTask, enabled: bool) -> Steps[None]:
        """Take the management delay."""
        yield from self._play(task, "management")


class FakeBoot(_Scripted, base.BootInterface):
    """Boots nothing."""

    name = "fake"

    def prepare_instance(self, task: DriverTask) -> Steps[None]:
        """Take the boot delay."""
        yield from self._play(task, "boot")

    def clean_up_instance(self, task: DriverTask) -> Progress:
        """Nothing to do."""
        return None


class FakeDeploy(_Scripted, base.DeployInterface):
    """Writes no image."""

    name = "fake"
    clean_steps = (
        CleanStep("erase_devices", "Pretend to erase all disks.", priority=10),
    )

    def deploy(self, task: DriverTask) -> Steps[None]:
        """Take the deploy delay."""
        yield from self._play(task, "deploy")

    def tear_down(self, task: DriverTask) -> Steps[None]:
        """Take the undeploy delay."""
        yield from self._play(task, "undeploy")

    def run_clean_step(
        self, task: DriverTask, step: str, args: Json
    ) -> Steps[None]:
        """Take the clean delay."""
        yield from self._play(task, "clean")


class FakeInspect(_Scripted, base.InspectInterface):
    """Finds nothing new."""

    name = "fake"

    def inspect_hardware(self, task: DriverTask) -> Steps[None]:
        """Take the inspect delay."""
        yield from self._play(task, "inspect")


class FakeRescue(_Scripted, base.RescueInterface):
    """Rescues nobody."""

    name = "fake"

    def rescue(self, task: DriverTask) -> Steps[None]:
        """Take the rescue delay."""
        yield from self._play(task, "rescue")

    def unrescue(self, task: DriverTask) -> Steps[None]:
        """Take the unrescue delay."""
        yield from self._play(task, "unrescue")


class FakeConsole(_Scripted, base.ConsoleInterface):
    """A console at an address that nobody answers."""

    name = "fake"

    def start_console(self, task: DriverTask) -> Steps[None]:
        """Take the console delay."""
        yield from self._play(task, "console")

    def stop_console(self, task: DriverTask) -> Progress:
        """Nothing to do."""
        return None

    def get_console(self, node: Node) -> Mapping[str, Any]:
        """An address made of the node's uuid."""
        return {"type": "fake", "url": f"fake://console/{node.uuid}"}


class FakeRaid(_Scripted, base.RaidInterface):
    """Disks in any order."""

    name = "fake"
    clean_steps = (
        CleanStep("create_configuration", "Pretend to build volumes."),
        CleanStep("delete_configuration", "Pretend to delete volumes."),
    )

    def run_clean_step(
        self, task: DriverTask, step: str, args: Json
    ) -> Steps[None]:
        """Take the raid delay."""
        yield from self._play(task, "raid")
        made = step == "create_configuration"
        task.save(raid_config=task.node.target_raid_config if made else {})


class FakeBios(_Scripted, base.BiosInterface):
    """Firmware settings that change nothing."""

    name = "fake"
    clean_steps = (
        CleanStep("factory_reset", "Pretend to reset all settings."),
        CleanStep("apply_configuration", "Pretend to apply settings."),
    )

    def run_clean_step(
        self, task: DriverTask, step: str, args: Json
    ) -> Steps[None]:
        """Take the bios delay."""
        yield from self._play(task, "bios")


class FakeHardware(base.AbstractHardwareType):
    """Hardware type for nodes that do not exist."""

    interfaces = {
        "bios": (FakeBios,),
        "boot": (FakeBoot,),
        "console": (FakeConsole, NoConsole),
        "deploy": (FakeDeploy,),
        "inspect": (FakeInspect,),
        "management": (FakeManagement,),
        "network": (NoopNetwork,),
        "power": (FakePower,),
        "raid": (FakeRaid,),
        "rescue": (FakeRescue,),
        "storage": (NoopStorage,),
        "vendor": (NoVendor,),
    }
