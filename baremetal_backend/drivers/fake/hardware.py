# SPDX-License-Identifier: Apache-2.0
"""The hardware type ``fake-hardware`` and its interfaces.

Each operation takes as long, and fails as often, as ``drivers.fake.script``
says; some can wait, until a periodic task or a heartbeat ends that. A
pretended node remembers its power state in its record; a new one is switched
off.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
)
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import STATES, Kind
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    WAIT,
    DriverTask,
    Pause,
    PowerReading,
    Progress,
    StepProgress,
    Steps,
    Wait,
    clean_step,
    deploy_step,
    service_step,
)
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.fake import script
from baremetal_backend.drivers.noop import (
    NoConsole,
    NoopNetwork,
    NoopStorage,
    NoVendor,
)
from baremetal_backend.drivers.periodics import Manager, node_periodic
from baremetal_backend.drivers.remembered import remember

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


_SETTINGS = {
    "settings": {
        "description": "List of {name, value}.",
        "required": True,
    }
}

_WAITING_STATES = tuple(
    name for name, row in STATES.items() if row.kind is Kind.WAITING
)


class _Waiting(_Scripted):
    """Also what waits for something outside, as the script says."""

    #: Seconds since the epoch.
    clock = staticmethod(time.time)

    def _begin(self, task: DriverTask, operation: str) -> Steps[Wait | None]:
        """Play an operation of which the script may say that it waits."""
        act = script.play(task.node, operation, self.settings.fake, _CHANCE)
        result = yield from self._act(task, act)
        return result

    def _act(self, task: DriverTask, act: script.Play) -> Steps[Wait | None]:
        internal = act.counted or task.node.driver_internal_info
        if act.counted is not None or script.waits_for(internal) is not None:
            task.save(driver_internal_info=script.without_waiting(internal))
        if act.by is not None:
            until = self.clock() + act.seconds
            waiting = script.Waiting(self.kind, act.by, until, act.failure)
            task.save(driver_internal_info=script.wait_for(task.node, waiting))
            return WAIT
        yield Pause(act.seconds)
        if act.failure is not None:
            raise HardwareFailed(act.failure)
        return None

    def _over(self, task: DriverTask) -> Node:
        internal = script.without_waiting(task.node.driver_internal_info)
        return task.save(driver_internal_info=internal)

    @node_periodic(
        "end the waits of pretended hardware",
        spacing="fake.poll_interval",
        filters={"provision_state_in": _WAITING_STATES, "reserved": False},
        predicate=lambda row: _is_polled(row.driver_internal_info),
        predicate_extra_fields=("driver_internal_info",),
    )
    def poll(self, task: DriverTask, manager: Manager, context: Any) -> None:
        """End the node's wait if its time has come."""
        waiting = script.waits_for(task.node.driver_internal_info)
        if waiting is None or waiting.kind != self.kind:
            return
        if waiting.until > self.clock():
            return
        node = self._over(task)
        if waiting.failure is not None:
            manager.fail(node.uuid, waiting.failure, seen=node)
        else:
            manager.resume(node.uuid, seen=node)


def _is_polled(internal: Mapping[str, Any]) -> bool:
    waiting = script.waits_for(internal)
    return waiting is not None and waiting.by == "poll"


class FakePower(_Scripted, base.PowerInterface):
    """A switch that only remembers."""

    name = "fake"

    def get_power_state(self, node: Node) -> str:
        """What was set last; off for a new node."""
        return node.power_state or base.POWER_OFF

    def ask_power_state(
        self, node: Node, done: Callable[[PowerReading], None]
    ) -> bool:
        """The same: nothing has to be waited for."""
        done(PowerReading(self.get_power_state(node)))
        return True

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


class FakeManagement(_Waiting, base.ManagementInterface):
    """Remembers the boot device, and has a step for every script."""

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
        remember(task, self._KEY, [device, persistent])

    def set_boot_mode(self, task: DriverTask, mode: str) -> Steps[None]:
        """Take the management delay."""
        yield from self._play(task, "management")

    def set_secure_boot(self, task: DriverTask, enabled: bool) -> Steps[None]:
        """Take the management delay."""
        yield from self._play(task, "management")

    @clean_step(abortable=True, argsinfo=script.ARGUMENTS)
    @deploy_step(argsinfo=script.ARGUMENTS)
    @service_step(abortable=True, argsinfo=script.ARGUMENTS)
    def pretend(
        self,
        task: DriverTask,
        seconds: object = None,
        fail: object = None,
        wait: object = None,
    ) -> StepProgress:
        """Do what the arguments say."""
        args = {"seconds": seconds, "fail": fail, "wait": wait}
        return self._act(task, script.brought(args, _CHANCE))


class FakeBoot(_Scripted, base.BootInterface):
    """Boots nothing."""

    name = "fake"

    def prepare_instance(self, task: DriverTask) -> Steps[None]:
        """Take the boot delay."""
        yield from self._play(task, "boot")

    def clean_up_instance(self, task: DriverTask) -> Progress:
        """Nothing to do."""
        return None


class FakeDeploy(_Waiting, base.DeployInterface):
    """Writes no image."""

    name = "fake"

    def deploy(self, task: DriverTask) -> StepProgress:
        """Take the deploy delay."""
        return self._begin(task, "deploy")

    def tear_down(self, task: DriverTask) -> Steps[None]:
        """Take the undeploy delay."""
        yield from self._play(task, "undeploy")

    @clean_step(priority=10, abortable=True)
    def erase_devices(self, task: DriverTask) -> StepProgress:
        """Pretend to erase all disks."""
        return self._begin(task, "clean")

    def heartbeat(self, task: DriverTask, callback_url: str) -> bool:
        """End a wait for a heartbeat. Errors: HardwareFailed, as played."""
        waiting = script.waits_for(task.node.driver_internal_info)
        if waiting is None or waiting.by != "heartbeat":
            return False
        self._over(task)
        if waiting.failure is not None:
            raise HardwareFailed(waiting.failure)
        return True


class FakeInspect(_Waiting, base.InspectInterface):
    """Finds nothing new."""

    name = "fake"

    def inspect_hardware(self, task: DriverTask) -> StepProgress:
        """Take the inspect delay."""
        return self._begin(task, "inspect")


class FakeRescue(_Waiting, base.RescueInterface):
    """Rescues nobody."""

    name = "fake"

    def rescue(self, task: DriverTask) -> StepProgress:
        """Take the rescue delay."""
        return self._begin(task, "rescue")

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


class FakeRaid(_Waiting, base.RaidInterface):
    """Disks in any order."""

    name = "fake"

    @clean_step(
        argsinfo={
            "create_root_volume": {"description": "Include the root volume."},
            "create_nonroot_volumes": {"description": "Include the others."},
            "delete_existing": {"description": "Delete what is there first."},
        }
    )
    def create_configuration(
        self,
        task: DriverTask,
        create_root_volume: bool = True,
        create_nonroot_volumes: bool = True,
        delete_existing: bool = False,
    ) -> StepProgress:
        """Pretend to build the volumes of target_raid_config."""
        return self._configure(task, task.node.target_raid_config)

    @deploy_step(
        argsinfo={
            "raid_config": {
                "description": "Volumes, as in target_raid_config.",
                "required": True,
            }
        }
    )
    def apply_configuration(
        self, task: DriverTask, raid_config: Mapping[str, Any]
    ) -> StepProgress:
        """Pretend to build the volumes that the request says."""
        return self._configure(task, raid_config)

    @clean_step()
    def delete_configuration(self, task: DriverTask) -> StepProgress:
        """Pretend to delete volumes."""
        return self._configure(task, {})

    def _configure(
        self, task: DriverTask, config: Mapping[str, Any]
    ) -> Steps[Wait | None]:
        result = yield from self._begin(task, "raid")
        task.save(raid_config=dict(config))
        return result


class FakeBios(_Waiting, base.BiosInterface):
    """Firmware settings that change nothing."""

    name = "fake"

    @clean_step()
    @service_step()
    def factory_reset(self, task: DriverTask) -> StepProgress:
        """Pretend to reset all settings."""
        return self._begin(task, "bios")

    @clean_step(argsinfo=_SETTINGS)
    @deploy_step(argsinfo=_SETTINGS)
    @service_step(argsinfo=_SETTINGS)
    def apply_configuration(
        self, task: DriverTask, settings: Sequence[Mapping[str, Any]]
    ) -> StepProgress:
        """Pretend to apply settings."""
        return self._begin(task, "bios")


class FakeHardware(base.AbstractHardwareType):
    """Hardware type for nodes that do not exist."""

    interfaces = {
        "bios": (FakeBios,),
        "boot": (FakeBoot,),
        "console": (FakeConsole, NoConsole),
        "deploy": (FakeDeploy,),
        "inspect": (FakeInspect, DiscoverdInspect),
        "management": (FakeManagement,),
        "network": (NoopNetwork,),
        "power": (FakePower,),
        "raid": (FakeRaid,),
        "rescue": (FakeRescue,),
        "storage": (NoopStorage,),
        "vendor": (NoVendor,),
    }
