# SPDX-License-Identifier: Apache-2.0
"""What a hardware type and its interfaces are.

A *hardware type* is what a node names as its ``driver``; for each interface
type (power, deploy, ...) it offers one implementation or several, and a node
chooses among them. An implementation is made once per process and shared by
all nodes: it keeps nothing about a node in itself.

Long work is a generator that yields ``Pause(seconds)`` wherever it would
sleep: while it pauses it needs no thread. Work that can't be written so simply
blocks, and returns None::

    def deploy(self, task):            def deploy(self, task):
        start(task.node)                   do_all_of_it(task.node)
        while not ready(task.node):
            yield Pause(2)

*Steps* are methods that people can ask for by name; a decorator describes
them. A step of a clean, deploy or service list may also end with ``WAIT``:
then the node waits, held by nobody, until a periodic task of the driver or a
heartbeat says that it is done (``drivers.periodics``)::

    @clean_step(priority=0, argsinfo={"pattern": {"description": "..."}})
    def overwrite(self, task, pattern="zero"):
        begin_to_overwrite(task.node, pattern)
        return WAIT

A driver says that hardware failed with ``HardwareFailed``, that a node's data
won't do with ``HardwareRefused``, and that it can't do a thing at all with
``UnsupportedDriverExtension``. What it raises otherwise is taken for a fault
of the driver; the node's operation fails in every case, with the sentence as
``last_error``. It never catches errors to set states: it doesn't know any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core import journey
from baremetal_backend.core.errors import UnsupportedDriverExtension
from baremetal_backend.core.records import Node
from baremetal_backend.core.states import StepKind
from baremetal_backend.core.steps import Step
from baremetal_backend.drivers.equipment import Equipment
from baremetal_backend.drivers.progress import (
    WAIT,
    Pause,
    Progress,
    StepProgress,
    Steps,
    Wait,
    finish,
)
from baremetal_backend.drivers.step_marks import (
    clean_step,
    deploy_step,
    described_steps,
    service_step,
    verify_step,
)
from baremetal_backend.drivers.vendor_marks import (
    Passthru,
    described_methods,
    vendor_method,
)

if TYPE_CHECKING:
    from baremetal_backend.drivers.loader import Driver

POWER_ON = "power on"
POWER_OFF = "power off"


class DriverTask(Protocol):
    """A node that this driver may work on, for as long as the call lasts."""

    @property
    def node(self) -> Node:
        """The node as of the last write."""
        ...

    @property
    def driver(self) -> Driver:
        """The node's other interfaces."""
        ...

    def save(self, **changes: Any) -> Node:
        """Write fields of the node; refused when it was taken away."""
        ...


class Interface(ABC):
    """One implementation of one interface type."""

    #: ``power``, ``deploy``, ...
    kind: ClassVar[str]
    #: What a node has in ``power_interface``.
    name: ClassVar[str]
    #: Further names of the same implementation.
    aliases: ClassVar[tuple[str, ...]] = ()
    #: What it shares with others; handed to it in this order.
    needs: ClassVar[tuple[type[Equipment], ...]] = ()

    def __init__(self, settings: Settings, *equipment: Any) -> None:
        self.settings = settings

    def reload(self, settings: Settings) -> None:
        """New values of options that may change; the others are as before."""
        self.settings = settings

    def forget(self, node: Node) -> None:  # noqa: B027 - optional
        """This conductor no longer looks after the node as it was here.

        It was removed, handed over, or its data are others now: let go of
        what is open for it. Doesn't wait.
        """

    def properties(self) -> Mapping[str, str]:
        """Keys of ``driver_info`` that this reads, and what they mean."""
        return {}

    def validate(self, node: Node) -> None:  # noqa: B027 - optional
        """Raise HardwareRefused if the node's data won't do.

        Looks at data only; it neither waits nor talks to hardware.
        """

    @classmethod
    def steps(cls, kind: StepKind) -> Mapping[str, Step]:
        """The methods that are described as steps of this kind, by name.

        A method that overrides a described one keeps the description,
        unless it has one of its own.
        """
        return described_steps(cls)[kind]


@dataclass(frozen=True, slots=True)
class PowerReading:
    """How a question for a power state ended."""

    #: ``power on`` or ``power off``; None: there was no answer.
    state: str | None
    #: Why there was none.
    error: str | None = None
    #: For statistics: what kind of error, such as ``unreachable``.
    error_kind: str | None = None
    #: Seconds that it took.
    seconds: float = 0.0
    #: Nothing was asked this time; it is worth it after so many seconds.
    retry_after: float | None = None


class PowerInterface(Interface):
    """Switches a node."""

    kind = "power"

    def verify(self, task: DriverTask) -> Progress:
        """First contact: prove that the node's data leads to a node."""
        return None

    @abstractmethod
    def get_power_state(self, node: Node) -> str:
        """``power on`` or ``power off``. Errors: HardwareFailed."""

    def ask_power_state(
        self, node: Node, done: Callable[[PowerReading], None]
    ) -> bool:
        """The same without waiting, for very many nodes.

        True: ``done`` will be called, exactly once, in some thread; it only
        puts the reading away. False: this implementation can only block.
        Errors: HardwareRefused (the node's data).
        """
        return False

    @abstractmethod
    def set_power_state(self, task: DriverTask, state: str) -> Progress:
        """Reach ``power on`` or ``power off``.

        Done means: the hardware said so after it was told.
        """

    def reboot(self, task: DriverTask) -> Progress:
        """Off and on again; a reset if the node must not be off."""
        if task.node.disable_power_off:
            return self.reset(task)
        return self._off_and_on(task)

    def reset(self, task: DriverTask) -> Progress:
        """Begin anew without being off in between."""
        raise UnsupportedDriverExtension(
            task.node.driver, "reboot without power off"
        )

    def _off_and_on(self, task: DriverTask) -> Steps[None]:
        yield from finish(self.set_power_state(task, POWER_OFF))
        yield from finish(self.set_power_state(task, POWER_ON))

    def soft_power_off(self, task: DriverTask, timeout: float) -> Progress:
        """Ask the operating system to shut down, for ``timeout`` seconds."""
        raise UnsupportedDriverExtension(task.node.driver, "soft power off")


@dataclass(frozen=True, slots=True)
class Indicator:
    """A lamp of a node."""

    #: ``system``, ``chassis``, ``power``, ``disk`` or ``nic``.
    component: str
    name: str
    #: What it can be switched to; nothing: it is only looked at.
    states: tuple[str, ...]


class ManagementInterface(Interface):
    """What a management controller can do beside switching."""

    kind = "management"

    def boot_devices(self, node: Node) -> Sequence[str]:
        """Devices that ``set_boot_device`` takes."""
        raise UnsupportedDriverExtension(node.driver, "boot device")

    def get_boot_device(self, node: Node) -> tuple[str | None, bool | None]:
        """(device, whether it stays), None where it is not known."""
        raise UnsupportedDriverExtension(node.driver, "boot device")

    def set_boot_device(
        self, task: DriverTask, device: str, persistent: bool
    ) -> Progress:
        """Boot from the device, once or for good."""
        raise UnsupportedDriverExtension(task.node.driver, "set_boot_device")

    def before_boot(self, task: DriverTask, again: bool) -> Progress:
        """The node is about to be switched on.

        ``again``: set the device once more that was set for good, for
        hardware that forgets it.
        """
        return None

    def set_boot_mode(self, task: DriverTask, mode: str) -> Progress:
        """``uefi`` or ``bios``; the conductor writes it down afterwards."""
        raise UnsupportedDriverExtension(task.node.driver, "set_boot_mode")

    def set_secure_boot(self, task: DriverTask, enabled: bool) -> Progress:
        """Switch secure boot."""
        raise UnsupportedDriverExtension(task.node.driver, "set_secure_boot")

    def inject_nmi(self, task: DriverTask) -> Progress:
        """Send a non-maskable interrupt."""
        raise UnsupportedDriverExtension(task.node.driver, "inject_nmi")

    def indicators(self, node: Node) -> Sequence[Indicator]:
        """Lamps of the node. Looks at no hardware."""
        raise UnsupportedDriverExtension(node.driver, "indicators")

    def get_indicator(self, node: Node, indicator: Indicator) -> str:
        """``on``, ``off``, ``blinking`` or ``unknown``."""
        raise UnsupportedDriverExtension(node.driver, "get_indicator_state")

    def set_indicator(
        self, task: DriverTask, indicator: Indicator, state: str
    ) -> Progress:
        """Switch it to one of its ``states``."""
        raise UnsupportedDriverExtension(
            task.node.driver, "set_indicator_state"
        )


class BootInterface(Interface):
    """Prepares what a node boots."""

    kind = "boot"

    @abstractmethod
    def prepare_instance(self, task: DriverTask) -> Progress:
        """Let the node boot its instance from now on."""

    @abstractmethod
    def clean_up_instance(self, task: DriverTask) -> Progress:
        """Undo ``prepare_instance``."""


class DeployInterface(Interface):
    """Puts an instance onto a node and takes it off.

    A deployment is a list of steps. These three are always among them, with
    room for a request's own before, between and after them.
    """

    kind = "deploy"

    @deploy_step(priority=100)
    @abstractmethod
    def deploy(self, task: DriverTask) -> StepProgress:
        """Write the image of ``instance_info``."""

    @deploy_step(priority=60)
    def prepare_instance_boot(self, task: DriverTask) -> StepProgress:
        """Let the node boot the instance from now on."""
        return task.driver.boot.prepare_instance(task)

    @deploy_step(priority=20)
    def boot_instance(self, task: DriverTask) -> StepProgress:
        """Switch the node on."""
        return self._switch_on(task)

    def _switch_on(self, task: DriverTask) -> Steps[None]:
        power, node = task.driver.power, task.node
        if node.disable_power_off and node.power_state == POWER_ON:
            # It was not switched off for this.
            yield from finish(power.reboot(task))
        else:
            yield from finish(power.set_power_state(task, POWER_ON))
        task.save(**journey.switched(task.node, POWER_ON))

    @abstractmethod
    def tear_down(self, task: DriverTask) -> Progress:
        """Take the instance off; called with the node switched off."""

    def heartbeat(self, task: DriverTask, callback_url: str) -> bool:
        """A ramdisk on the node says that it is there, and where.

        True: the step that the node waits for is done. Called with the node
        in exclusive use. Errors: what is raised fails the node's step.
        """
        raise UnsupportedDriverExtension(task.node.driver, "heartbeat")


class InspectInterface(Interface):
    """Finds out what a node consists of."""

    kind = "inspect"

    @abstractmethod
    def inspect_hardware(self, task: DriverTask) -> StepProgress:
        """Save what was found in the node's properties; or ``WAIT``."""

    def continue_inspection(self, task: DriverTask) -> StepProgress:
        """Go on after ``WAIT`` was reported to be over."""
        return None

    def abort(self, node: Node) -> None:
        """The inspection that the node waits for is not wanted any more.

        Tells whoever inspects; the node fails afterwards, whatever happens
        here. Waits for a few seconds at most. Errors: what is raised is part
        of the node's ``last_error``.
        """


class RescueInterface(Interface):
    """Boots a rescue system beside the instance."""

    kind = "rescue"

    @abstractmethod
    def rescue(self, task: DriverTask) -> StepProgress:
        """Boot it; the password is in ``instance_info``. Or ``WAIT``."""

    def continue_rescue(self, task: DriverTask) -> StepProgress:
        """Go on after ``WAIT`` was reported to be over."""
        return None

    @abstractmethod
    def unrescue(self, task: DriverTask) -> Progress:
        """Boot the instance again."""


class ConsoleInterface(Interface):
    """A node's console."""

    kind = "console"

    @abstractmethod
    def start_console(self, task: DriverTask) -> Progress:
        """Make the console reachable."""

    @abstractmethod
    def stop_console(self, task: DriverTask) -> Progress:
        """Close it."""

    @abstractmethod
    def get_console(self, node: Node) -> Mapping[str, Any]:
        """How to reach it: ``{"type": ..., "url": ...}``."""


class NetworkInterface(Interface):
    """Connects a node to tenants' networks."""

    kind = "network"

    @abstractmethod
    def vif_attach(self, task: DriverTask, vif: Mapping[str, Any]) -> Progress:
        """Attach ``vif["id"]``. Errors: VifAlreadyAttached."""

    @abstractmethod
    def vif_detach(self, task: DriverTask, vif_id: str) -> Progress:
        """Detach. Errors: VifNotAttached."""

    @abstractmethod
    def vif_list(self, node: Node) -> Sequence[Mapping[str, Any]]:
        """What is attached."""

    @abstractmethod
    def remove_tenant_networks(self, task: DriverTask) -> Progress:
        """Forget all VIFs: the tenant is gone."""


class StorageInterface(Interface):
    """Attaches remote volumes."""

    kind = "storage"

    @abstractmethod
    def attach_volumes(self, task: DriverTask) -> Progress:
        """Attach all volume targets of the node."""

    @abstractmethod
    def detach_volumes(self, task: DriverTask) -> Progress:
        """Detach them."""


class RaidInterface(Interface):
    """Lays out disks."""

    kind = "raid"


class BiosInterface(Interface):
    """Firmware settings."""

    kind = "bios"


class FirmwareInterface(Interface):
    """Firmware versions."""

    kind = "firmware"


class VendorInterface(Interface):
    """Whatever else a vendor offers: methods with ``vendor_method``."""

    kind = "vendor"

    @classmethod
    def methods(cls) -> Mapping[str, Passthru]:
        """What clients may call, by name."""
        return described_methods(cls)

    def check(
        self, node: Node, method: str, arguments: Mapping[str, Any]
    ) -> None:
        """Refuse what won't do, before anything begins.

        Names of arguments are checked already. Errors: HardwareRefused,
        InvalidParameterValue.
        """
        self.validate(node)


class AbstractHardwareType(ABC):
    """A hardware type: which implementations its nodes may choose from.

    Entry points of the group ``baremetal_backend.hardware.types`` name
    subclasses; the entry point's name is the node's ``driver``.
    """

    #: Interface type to implementations; the first is the default.
    interfaces: ClassVar[Mapping[str, tuple[type[Interface], ...]]]


__all__ = [
    "POWER_OFF",
    "POWER_ON",
    "WAIT",
    "AbstractHardwareType",
    "BiosInterface",
    "BootInterface",
    "ConsoleInterface",
    "DeployInterface",
    "DriverTask",
    "Equipment",
    "FirmwareInterface",
    "Indicator",
    "InspectInterface",
    "Interface",
    "ManagementInterface",
    "NetworkInterface",
    "Passthru",
    "Pause",
    "PowerInterface",
    "PowerReading",
    "Progress",
    "RaidInterface",
    "RescueInterface",
    "StepProgress",
    "Steps",
    "StorageInterface",
    "VendorInterface",
    "Wait",
    "clean_step",
    "deploy_step",
    "finish",
    "service_step",
    "vendor_method",
    "verify_step",
]
