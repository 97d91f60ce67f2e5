# SPDX-License-Identifier: Apache-2.0
"""Equipment is made once, runs as long as the service, and shows figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.figures import Figure
from baremetal_backend.drivers import base, loader
from baremetal_backend.drivers.fake.hardware import (
    FakeHardware,
    FakeManagement,
    FakePower,
)
from baremetal_backend.storage import DatabaseOptions

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))


#: Pretended interfaces that need no equipment.
WITHOUT = {
    kind: tuple(one for one in offered if not one.needs)
    for kind, offered in FakeHardware.interfaces.items()
}


class Line(base.Equipment):
    """A line to all machines."""

    def start(self) -> None:
        """Nothing runs."""

    def stop(self) -> None:
        """Nothing ran."""

    def figures(self) -> Iterable[Figure]:
        """One figure."""
        yield Figure("line_calls", "Calls.", "counter", (), (((), 3.0),))


class OnLine:
    """Keeps what it was handed."""

    needs = (Line,)

    def __init__(self, settings: Settings, *equipment: object) -> None:
        self.settings = settings
        self.equipment = equipment


class LinePower(OnLine, FakePower):
    """Uses the line."""


class LineManagement(OnLine, FakeManagement):
    """Uses it as well."""


class LineHardware(base.AbstractHardwareType):
    """Both of them."""

    interfaces = WITHOUT | {
        "power": (LinePower,),
        "management": (LineManagement,),
    }


class PlainHardware(base.AbstractHardwareType):
    """Neither of them."""

    interfaces = WITHOUT


def test_implementations_share_the_equipment_that_they_need():
    registry = loader.build({"line": LineHardware}, SETTINGS)
    kinds = registry.types["line"].interfaces
    [line] = registry.equipment
    assert isinstance(line, Line)
    assert kinds["power"]["fake"].equipment == (line,)
    assert kinds["management"]["fake"].equipment == (line,)


def test_equipment_that_nothing_enabled_needs_is_not_made():
    registry = loader.build({"plain": PlainHardware}, SETTINGS)
    assert registry.equipment == ()


def test_equipment_is_made_with_the_settings():
    registry = loader.build({"line": LineHardware}, SETTINGS)
    assert registry.equipment[0].settings is SETTINGS
    [figure] = registry.equipment[0].figures()
    assert figure.values == (((), 3.0),)


def test_new_settings_reach_every_implementation():
    registry = loader.build({"line": LineHardware}, SETTINGS)
    changed = dataclasses.replace(SETTINGS, host="other")
    registry.reload(changed)
    for implementations in registry.types["line"].interfaces.values():
        for one in implementations.values():
            assert one.settings is changed
