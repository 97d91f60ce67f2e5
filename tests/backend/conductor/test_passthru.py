# SPDX-License-Identifier: Apache-2.0
"""Methods of vendors and lamps, through the conductor."""

from __future__ import annotations

import pytest

from baremetal_backend.conf.settings import Settings
from baremetal_backend.core.errors import (
    HardwareFailed,
    InvalidParameterValue,
    NodeLocked,
    NotFound,
    UnsupportedDriverExtension,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.base import (
    DriverTask,
    Indicator,
    Pause,
    Progress,
    Steps,
    VendorInterface,
    vendor_method,
)
from baremetal_backend.drivers.fake.hardware import (
    FakeHardware,
    FakeManagement,
)
from baremetal_backend.drivers.noop import NoVendor
from baremetal_backend.rpc.interface import IndicatorInfo, VendorAnswer
from tests.backend.conductor.conftest import World


class Vendor(VendorInterface):
    """A method of each sort."""

    name = "acme"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.done: list[object] = []

    @vendor_method("POST", "PUT")
    def add(self, task: DriverTask, first: int, second: int = 1) -> Steps[int]:
        """Add two numbers."""
        assert task.node.reservation == "me"
        yield Pause(2)
        return first + second

    @vendor_method("GET", exclusive=False)
    def name_of(self, node: Node) -> object:
        """Tell the node's name."""
        assert node.reservation is None
        return {"name": node.name}

    @vendor_method("POST", is_async=True)
    def work(self, task: DriverTask, fail: str | None = None) -> Steps[None]:
        """Work for a while."""
        yield Pause(5)
        if fail is not None:
            raise HardwareFailed(fail)
        self.done.append(task.node.uuid)

    def check(self, node, method, arguments) -> None:
        """Refuse one sort of failure."""
        if arguments.get("fail") == "never":
            raise InvalidParameterValue("fail: never is no reason.")


class Management(FakeManagement):
    """With a lamp, and a light that can't be switched."""

    name = "lit"
    lamp = "off"

    def indicators(self, node):
        return (
            Indicator("system", "led", ("on", "off")),
            Indicator("power", "light", ()),
        )

    def get_indicator(self, node, indicator):
        return self.lamp

    def set_indicator(self, task, indicator, state) -> Progress:
        assert task.node.reservation == "me"
        type(self).lamp = state
        return None


class Hardware(FakeHardware):
    interfaces = FakeHardware.interfaces | {
        "vendor": (Vendor, NoVendor),
        "management": (Management, FakeManagement),
    }


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path, hardware=Hardware)
    yield found
    found.close()


@pytest.fixture
def vendor(world):
    return world.registry.types["fake-hardware"].interfaces["vendor"]["acme"]


def call(world, node, method, http="POST", **arguments):
    return world.conductor.vendor_passthru(node.uuid, method, http, arguments)


def test_a_short_method_has_the_node_and_answers(world):
    node = world.node()
    answer = call(world, node, "add", first=2, second=3)
    assert answer == VendorAnswer(False, 5)
    assert world.slept == [2]
    assert world.get(node).reservation is None


def test_a_method_that_only_looks_does_not_take_the_node(world):
    node = world.node(name="seven")
    assert call(world, node, "name_of", "GET").result == {"name": "seven"}


def test_a_method_that_looks_works_on_a_node_in_use(world):
    node = world.node(name="seven")
    world.take(node)
    with pytest.raises(NodeLocked):
        call(world, node, "add", first=1)


def test_a_long_method_goes_on_after_its_answer(world, vendor):
    node = world.node()
    assert call(world, node, "work") == VendorAnswer(True, None)
    assert world.get(node).reservation == "me"
    world.timer.pass_time()
    world.idle()
    assert vendor.done == [node.uuid]
    assert world.get(node).last_error is None
    assert world.history(node)[-1] == "vendor method work is done"


def test_a_long_method_that_fails_leaves_its_reason(world):
    node = world.node()
    call(world, node, "work", fail="BMC is tired")
    world.timer.pass_time()
    world.idle()
    seen = world.get(node)
    assert seen.last_error == "Vendor method work failed: BMC is tired"
    assert seen.provision_state == "enroll"
    assert seen.reservation is None


@pytest.mark.parametrize(
    ("method", "http", "arguments", "text"),
    [
        ("fly", "POST", {}, "has no method 'fly'; choose one of: add"),
        ("add", "GET", {}, "does not support HTTP GET; use POST or PUT"),
        ("add", "POST", {}, "needs the argument first"),
        ("add", "POST", {"first": 1, "third": 1}, "no argument 'third'"),
        ("check", "POST", {}, "has no method 'check'"),
        ("__init__", "POST", {}, "has no method"),
        ("work", "POST", {"fail": "never"}, "fail: never is no reason"),
    ],
)
def test_what_is_not_offered_is_refused(world, method, http, arguments, text):
    node = world.node()
    with pytest.raises(InvalidParameterValue) as caught:
        call(world, node, method, http, **arguments)
    assert text in caught.value.message
    assert world.get(node).reservation is None


def test_hardware_without_methods_says_so(world):
    node = world.node(vendor_interface="no-vendor")
    assert world.conductor.vendor_methods(node.uuid) == {}
    with pytest.raises(UnsupportedDriverExtension):
        call(world, node, "add", first=1)
    node = world.node(vendor_interface=None)
    assert world.conductor.vendor_methods(node.uuid) == {}
    with pytest.raises(UnsupportedDriverExtension):
        call(world, node, "add", first=1)


def test_methods_are_listed_with_what_clients_need(world):
    found = world.conductor.vendor_methods(world.node().uuid)
    assert sorted(found) == ["add", "name_of", "work"]
    assert found["add"].description == "Add two numbers."
    assert found["add"].http_methods == ("POST", "PUT")
    assert found["work"].is_async
    assert not found["name_of"].require_exclusive_lock


def test_lamps_are_listed_shown_and_switched(world):
    node, conductor = world.node(), world.conductor
    assert conductor.get_indicators(node.uuid) == (
        IndicatorInfo("system", "led", ("on", "off")),
        IndicatorInfo("power", "light", ()),
    )
    conductor.set_indicator_state(node.uuid, "system", "led", "on")
    state = conductor.get_indicator_state(node.uuid, "system", "led")
    assert state == "on"
    assert world.get(node).reservation is None


@pytest.mark.parametrize(
    ("component", "name", "state", "error"),
    [
        ("system", "bell", "on", NotFound),
        ("nic", "led", "on", NotFound),
        ("system", "led", "blinking", InvalidParameterValue),
        ("power", "light", "on", InvalidParameterValue),
    ],
)
def test_a_lamp_or_state_that_is_not_there_is_refused(
    world, component, name, state, error
):
    node = world.node()
    with pytest.raises(error):
        world.conductor.set_indicator_state(node.uuid, component, name, state)


def test_hardware_without_lamps_says_so(world):
    node = world.node(management_interface="fake")
    with pytest.raises(UnsupportedDriverExtension):
        world.conductor.get_indicators(node.uuid)
