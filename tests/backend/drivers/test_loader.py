# SPDX-License-Identifier: Apache-2.0
"""Hardware types are found through entry points, or missed by name."""

from __future__ import annotations

import dataclasses

import pytest

from baremetal_backend.conf.settings import ConfigurationError, Settings
from baremetal_backend.core.errors import (
    InvalidParameterValue,
    NoValidHost,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers import loader
from baremetal_backend.drivers.base import AbstractHardwareType, finish
from baremetal_backend.drivers.fake.hardware import (
    FakeHardware,
    FakeInspect,
    FakePower,
)
from baremetal_backend.storage import DatabaseOptions

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))


def node(**values):
    return Node(uuid="u", driver="fake-hardware", **values)


def test_the_fake_hardware_is_an_entry_point():
    registry = loader.load(SETTINGS)
    assert list(registry.types) == ["fake-hardware"]


def test_an_unknown_type_is_refused_with_those_that_are_installed():
    settings = dataclasses.replace(
        SETTINGS, enabled_hardware_types=("fake-hardware", "warp")
    )
    with pytest.raises(ConfigurationError) as caught:
        loader.load(settings)
    assert "enabled_hardware_types" in str(caught.value)
    assert "warp" in str(caught.value)
    assert "fake-hardware" in str(caught.value)


def test_an_implementation_is_made_once_for_all_types_that_share_it():
    class Other(AbstractHardwareType):
        interfaces = {"power": (FakePower,)}

    registry = loader.build({"a": FakeHardware, "b": Other}, SETTINGS)
    first = registry.types["a"].interfaces["power"]["fake"]
    assert registry.types["b"].interfaces["power"]["fake"] is first


def test_an_interface_in_the_wrong_place_is_refused():
    class Broken(AbstractHardwareType):
        interfaces = {"deploy": (FakePower,)}

    with pytest.raises(ConfigurationError, match="FakePower"):
        loader.build({"broken": Broken}, SETTINGS)


def test_a_node_gets_its_own_choice():
    registry = loader.build({"fake-hardware": FakeHardware}, SETTINGS)
    driver = registry.driver(node(console_interface="no-console"))
    assert driver.console.name == "no-console"
    with pytest.raises(UnsupportedDriverExtension, match="power"):
        assert driver.power
    lost = registry.driver(node(power_interface="gone"))
    with pytest.raises(InvalidParameterValue, match="gone"):
        assert lost.power
    with pytest.raises(NoValidHost):
        registry.driver(Node(uuid="u", driver="warp"))


def test_a_method_that_blocks_needs_no_generator():
    assert list(finish(None)) == []


# -- which interfaces are enabled ---------------------------------------------


def built(enabled=None, default=None):
    settings = dataclasses.replace(
        SETTINGS,
        enabled_interfaces=enabled or {},
        default_interfaces=default or {},
    )
    return loader.build({"fake-hardware": FakeHardware}, settings)


def consoles(registry):
    return list(registry.types["fake-hardware"].interfaces["console"])


def test_without_options_everything_is_enabled_in_the_hardware_types_order():
    assert consoles(built()) == ["fake", "no-console"]


def test_the_default_comes_first():
    registry = built(default={"console": "no-console"})
    assert consoles(registry) == ["no-console", "fake"]
    chosen = registry.choose("fake-hardware", "", {})
    assert chosen["console_interface"] == "no-console"


def test_only_what_is_enabled_may_be_chosen():
    registry = built(enabled={"console": ("no-console",)})
    assert consoles(registry) == ["no-console"]
    with pytest.raises(InvalidParameterValue, match="no-console"):
        registry.choose("fake-hardware", "", {"console_interface": "fake"})


@pytest.mark.parametrize(
    ("enabled", "default", "told"),
    [
        (
            {"power": ("warp",)},
            {},
            "enabled_power_interfaces: no enabled hardware type offers warp; "
            "they offer: fake",
        ),
        (
            {"console": ("no-console",)},
            {"console": "fake"},
            "default_console_interface: fake is not enabled; choose one of: "
            "no-console",
        ),
        (
            {},
            {"raid": "hard"},
            "default_raid_interface: hard is not enabled; choose one of: fake",
        ),
    ],
)
def test_a_bad_combination_is_refused_with_the_good_ones(
    enabled, default, told
):
    with pytest.raises(ConfigurationError, match=told):
        built(enabled, default)


def test_a_hardware_type_that_is_left_without_an_interface_is_named():
    class Dark(AbstractHardwareType):
        interfaces = {"console": (FakeHardware.interfaces["console"][0],)}

    settings = dataclasses.replace(
        SETTINGS, enabled_interfaces={"console": ("no-console",)}
    )
    with pytest.raises(ConfigurationError) as caught:
        loader.build({"fake-hardware": FakeHardware, "dark": Dark}, settings)
    assert "enabled_console_interfaces: leaves dark without any" in str(
        caught.value
    )
    assert "fake" in str(caught.value)


# -- one implementation, several names ----------------------------------------


class ByService(FakeInspect):
    """Known to users of two generations of a service."""

    name = "discoverd"
    aliases = ("inspector",)


class Inspected(AbstractHardwareType):
    interfaces = {"inspect": (FakeInspect, ByService)}


def inspects(enabled=None, default=None):
    settings = dataclasses.replace(
        SETTINGS,
        enabled_interfaces={"inspect": enabled} if enabled else {},
        default_interfaces={"inspect": default} if default else {},
    )
    registry = loader.build({"a": Inspected, "b": Inspected}, settings)
    return registry.types["a"].interfaces["inspect"]


def test_an_alias_is_the_same_implementation():
    found = inspects()
    assert list(found) == ["fake", "discoverd", "inspector"]
    assert found["inspector"] is found["discoverd"]
    assert found["inspector"] is not found["fake"]


@pytest.mark.parametrize(
    ("enabled", "default", "names"),
    [
        (("inspector",), None, ["inspector"]),
        (("fake", "inspector"), "inspector", ["inspector", "fake"]),
        (("discoverd",), None, ["discoverd"]),
        (None, "inspector", ["inspector", "fake", "discoverd"]),
    ],
)
def test_each_name_is_enabled_by_itself(enabled, default, names):
    assert list(inspects(enabled, default)) == names


def test_a_node_keeps_the_name_that_was_chosen_for_it():
    registry = loader.build({"fake-hardware": Inspected}, SETTINGS)
    chosen = registry.choose(
        "fake-hardware", "", {"inspect_interface": "inspector"}
    )
    assert chosen["inspect_interface"] == "inspector"
    driver = registry.driver(node(inspect_interface="inspector"))
    assert isinstance(driver.inspect, ByService)


def test_an_unknown_name_is_refused_with_aliases_among_the_good_ones():
    with pytest.raises(ConfigurationError, match="discoverd, inspector"):
        inspects(("warp",))
