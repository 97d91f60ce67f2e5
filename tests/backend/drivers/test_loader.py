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
from baremetal_backend.drivers.fake.hardware import FakeHardware, FakePower
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
