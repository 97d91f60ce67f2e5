# SPDX-License-Identifier: Apache-2.0
"""The enabled hardware types, found through entry points.

Everything that can't be loaded is said at start-up, with what could be. An
implementation is made once, whatever the number of hardware types that offer
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import stevedore

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    NoValidHost,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.records import INTERFACES, Node
from baremetal_backend.drivers import base

NAMESPACE = "baremetal_backend.hardware.types"

I = TypeVar("I", bound=base.Interface)  # noqa: E741


@dataclass(frozen=True, slots=True)
class HardwareType:
    """An enabled hardware type with its interfaces made."""

    name: str
    #: Interface type to name to implementation; the first is the default.
    interfaces: Mapping[str, Mapping[str, base.Interface]]

    def default(self, kind: str) -> str | None:
        """Name of the default; None: no interface of this type."""
        return next(iter(self.interfaces.get(kind, {})), None)

    def properties(self) -> dict[str, str]:
        """All ``driver_info`` keys of all implementations."""
        found: dict[str, str] = {}
        for implementations in self.interfaces.values():
            for one in implementations.values():
                found.update(one.properties())
        return dict(sorted(found.items()))


class Driver:
    """The implementations that one node chose."""

    def __init__(self, node: Node, hardware: HardwareType) -> None:
        self._node = node
        self._hardware = hardware

    def find(self, kind: str) -> base.Interface | None:
        """The node's implementation; None if there is none of this type.

        Errors: InvalidParameterValue for a name that is not offered (any
        more).
        """
        offered = self._hardware.interfaces.get(kind, {})
        name = self._node.interface(kind)
        if name is None:
            return None
        if name not in offered:
            raise InvalidParameterValue(
                f"Node {self._node.uuid} has {kind}_interface {name}, which "
                f"{self._hardware.name} does not offer; choose one of: "
                f"{', '.join(offered) or 'none'}."
            )
        return offered[name]

    def _get(self, kind: str, _as: type[I]) -> I:
        found = self.find(kind)
        if found is None:
            raise UnsupportedDriverExtension(self._hardware.name, kind)
        return cast(I, found)

    @property
    def power(self) -> base.PowerInterface:
        """Errors, here and below: UnsupportedDriverExtension."""
        return self._get("power", base.PowerInterface)  # type: ignore[type-abstract]

    @property
    def management(self) -> base.ManagementInterface:
        """Boot device, boot mode, NMI."""
        return self._get("management", base.ManagementInterface)

    @property
    def boot(self) -> base.BootInterface:
        """What the node boots."""
        return self._get("boot", base.BootInterface)  # type: ignore[type-abstract]

    @property
    def deploy(self) -> base.DeployInterface:
        """Instance on, instance off."""
        return self._get("deploy", base.DeployInterface)  # type: ignore[type-abstract]

    @property
    def inspect(self) -> base.InspectInterface:
        """Inspection."""
        return self._get("inspect", base.InspectInterface)  # type: ignore[type-abstract]

    @property
    def rescue(self) -> base.RescueInterface:
        """Rescue system."""
        return self._get("rescue", base.RescueInterface)  # type: ignore[type-abstract]

    @property
    def console(self) -> base.ConsoleInterface:
        """Console."""
        return self._get("console", base.ConsoleInterface)  # type: ignore[type-abstract]

    @property
    def network(self) -> base.NetworkInterface:
        """VIFs."""
        return self._get("network", base.NetworkInterface)  # type: ignore[type-abstract]

    @property
    def storage(self) -> base.StorageInterface:
        """Volumes."""
        return self._get("storage", base.StorageInterface)  # type: ignore[type-abstract]

    @property
    def vendor(self) -> base.VendorInterface:
        """Methods of vendors."""
        return self._get("vendor", base.VendorInterface)


class Registry:
    """The enabled hardware types. Immutable after start-up."""

    def __init__(
        self,
        types: Mapping[str, HardwareType],
        equipment: tuple[base.Equipment, ...] = (),
    ) -> None:
        self.types = dict(sorted(types.items()))
        #: What the implementations share; not running yet.
        self.equipment = equipment

    def reload(self, settings: Settings) -> None:
        """Hand new settings to all implementations; see ``conf.current``."""
        for hardware in self.types.values():
            for implementations in hardware.interfaces.values():
                for one in implementations.values():
                    one.reload(settings)

    def hardware(self, driver: str, conductor_group: str) -> HardwareType:
        """The hardware type. Errors: NoValidHost when it is not enabled."""
        try:
            return self.types[driver]
        except KeyError:
            raise NoValidHost(driver, conductor_group) from None

    def driver(self, node: Node) -> Driver:
        """The node's interfaces. Errors: NoValidHost."""
        hardware = self.hardware(node.driver, node.conductor_group)
        return Driver(node, hardware)

    def choose(
        self,
        driver: str,
        conductor_group: str,
        asked: Mapping[str, str | None],
    ) -> dict[str, str | None]:
        """All interface fields of a node of this type.

        ``asked``: interface field to name; what is missing or None gets the
        default. Errors: NoValidHost, InvalidParameterValue.
        """
        hardware = self.hardware(driver, conductor_group)
        chosen: dict[str, str | None] = {}
        for kind in INTERFACES:
            field = f"{kind}_interface"
            name = asked.get(field)
            offered = hardware.interfaces.get(kind, {})
            if name is not None and name not in offered:
                raise InvalidParameterValue(
                    f"{field}: {driver} does not offer {name}; choose one of: "
                    f"{', '.join(offered) or 'none'}."
                )
            chosen[field] = name or hardware.default(kind)
        return chosen


def load(settings: Settings) -> Registry:
    """Load ``[DEFAULT]enabled_hardware_types``. Errors: ConfigurationError."""
    failures: list[str] = []

    def failed(_manager: Any, entry_point: Any, error: BaseException) -> None:
        failures.append(f"{entry_point.name} ({error})")

    manager = stevedore.NamedExtensionManager(
        NAMESPACE,
        names=list(settings.enabled_hardware_types),
        on_load_failure_callback=failed,
        on_missing_entrypoints_callback=lambda _names: None,
    )
    found = {extension.name: extension.plugin for extension in manager}
    missing = [t for t in settings.enabled_hardware_types if t not in found]
    if failures or missing:
        known = sorted(stevedore.ExtensionManager(NAMESPACE).names())
        raise ConfigurationError(
            "[DEFAULT]enabled_hardware_types: can't load "
            f"{', '.join(failures or missing)}; installed here: "
            f"{', '.join(known) or 'none'}."
        )
    return build(found, settings)


def build(
    types: Mapping[str, type[base.AbstractHardwareType]], settings: Settings
) -> Registry:
    """Make the enabled implementations of these hardware types, each once.

    Errors: ConfigurationError that names the option and what would do.
    """
    offered = {name: _offered(name, cls) for name, cls in types.items()}
    _check_names(offered, settings)
    equipment: dict[type[base.Equipment], base.Equipment] = {}
    made: dict[type[base.Interface], base.Interface] = {}
    registry: dict[str, HardwareType] = {}
    for name, kinds in offered.items():
        interfaces: dict[str, dict[str, base.Interface]] = {}
        for kind, classes in kinds.items():
            for chosen, cls in _enabled(name, kind, classes, settings):
                if cls not in made:
                    made[cls] = _made(cls, settings, equipment)
                interfaces.setdefault(kind, {})[chosen] = made[cls]
        registry[name] = HardwareType(name, interfaces)
    return Registry(registry, tuple(equipment.values()))


def _made(
    cls: type[base.Interface],
    settings: Settings,
    equipment: dict[type[base.Equipment], base.Equipment],
) -> base.Interface:
    for needed in cls.needs:
        if needed not in equipment:
            equipment[needed] = needed(settings)
    return cls(settings, *(equipment[needed] for needed in cls.needs))


_Classes = Mapping[str, type[base.Interface]]


def _offered(
    hardware_name: str, hardware: type[base.AbstractHardwareType]
) -> dict[str, _Classes]:
    """Interface type to name to implementation, as the type declares."""
    found: dict[str, _Classes] = {}
    for kind, classes in hardware.interfaces.items():
        for cls in classes:
            if cls.kind != kind or kind not in INTERFACES:
                raise ConfigurationError(
                    f"[DEFAULT]enabled_hardware_types: {hardware_name} offers "
                    f"{cls.__name__} as {kind}, but it is {cls.kind}."
                )
        found[kind] = {
            name: cls for cls in classes for name in (cls.name, *cls.aliases)
        }
    return found


def _enabled(
    hardware: str, kind: str, classes: _Classes, settings: Settings
) -> list[tuple[str, type[base.Interface]]]:
    """Those that are enabled by their names, the default first."""
    names = list(classes)
    enabled = settings.enabled_interfaces.get(kind)
    if enabled is not None:
        names = [name for name in names if name in enabled]
        if not names:
            raise ConfigurationError(
                f"[DEFAULT]enabled_{kind}_interfaces: leaves {hardware} "
                f"without any; add one of: {', '.join(classes)}."
            )
    default = settings.default_interfaces.get(kind)
    if default in names:
        names.remove(default)
        names.insert(0, default)
    return [(name, classes[name]) for name in names]


def _check_names(
    offered: Mapping[str, Mapping[str, _Classes]], settings: Settings
) -> None:
    """Every name in the options is one that some hardware type offers."""
    for kind in INTERFACES:
        enabled = settings.enabled_interfaces.get(kind, ())
        default = settings.default_interfaces.get(kind)
        known = list(
            dict.fromkeys(
                name
                for kinds in offered.values()
                for name in kinds.get(kind, {})
            )
        )
        for name in enabled:
            if name not in known:
                raise ConfigurationError(
                    f"[DEFAULT]enabled_{kind}_interfaces: no enabled hardware "
                    f"type offers {name}; they offer: "
                    f"{', '.join(known) or 'none'}."
                )
        good = list(enabled) or known
        if default is not None and default not in good:
            raise ConfigurationError(
                f"[DEFAULT]default_{kind}_interface: {default} is not "
                f"enabled; choose one of: {', '.join(good) or 'none'}."
            )
