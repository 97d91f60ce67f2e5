# SPDX-License-Identifier: Apache-2.0
"""Who may choose the interface, and what it says where it is disabled."""

from __future__ import annotations

import pytest

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import DiscoverdDisabled
from baremetal_backend.drivers.discoverd.interface import DiscoverdInspect
from baremetal_backend.drivers.fake.hardware import FakeHardware
from baremetal_backend.drivers.ipmi.hardware import IpmiHardware
from baremetal_backend.drivers.loader import build
from baremetal_backend.storage import DatabaseOptions

SETTINGS = Settings("h", "/tmp", DatabaseOptions("sqlite://"))


@pytest.mark.parametrize(
    "hardware, default", [(FakeHardware, "fake"), (IpmiHardware, "no-inspect")]
)
def test_it_can_be_chosen_by_both_names_and_is_no_default(hardware, default):
    registry = build({"some": hardware}, SETTINGS)
    offered = registry.types["some"].interfaces["inspect"]
    assert next(iter(offered)) == default
    assert offered["discoverd"] is offered["inspector"]
    assert isinstance(offered["discoverd"], DiscoverdInspect)


def test_all_hardware_types_share_one_poll():
    registry = build({"a": FakeHardware, "b": IpmiHardware}, SETTINGS)
    one, other = (
        registry.types[name].interfaces["inspect"]["discoverd"]
        for name in "ab"
    )
    assert one is other


@pytest.fixture
def disabled(site):
    site.configure(enabled=False)
    site.restart()
    return site


def test_an_inspection_is_refused_where_it_is_disabled(disabled):
    node = disabled.node()
    with pytest.raises(DiscoverdDisabled) as caught:
        disabled.act(node, "inspect")
    assert caught.value.status == 400
    for part in ("[discoverd]", "enabled = true", "service_url", "me"):
        assert part in caught.value.message
    after = disabled.get(node)
    assert (after.provision_state, after.version) == ("manageable", 1)


def test_the_driver_itself_refuses_as_well(disabled):
    node = disabled.node()
    with pytest.raises(DiscoverdDisabled):
        disabled.interface.inspect_hardware(
            disabled.world.tasks.shared(node.uuid)
        )


def test_validation_says_that_it_is_disabled(disabled):
    found = disabled.world.conductor.validate_driver_interfaces(
        disabled.node().uuid
    )
    assert found["inspect"].result is False
    assert "[discoverd]" in found["inspect"].reason
    assert found["power"].result is True


def test_validation_is_content_where_it_is_enabled(site):
    found = site.world.conductor.validate_driver_interfaces(site.node().uuid)
    assert found["inspect"].result is True


def test_each_inspection_is_an_attempt_of_its_own(site):
    node = site.begun()
    first = site.attempt(node)
    site.finished(node)
    site.poll()
    site.act(node, "inspect")
    second = site.attempt(node)
    assert second.id != first.id
    assert not second.asked


def test_nothing_but_the_attempt_is_touched_in_the_nodes_memory(site):
    node = site.node(driver_internal_info={"other": 1})
    site.act(node, "inspect")
    assert site.get(node).driver_internal_info["other"] == 1
    site.soon(0)
    site.finished(node)
    site.poll()
    assert site.get(node).driver_internal_info == {"other": 1}
