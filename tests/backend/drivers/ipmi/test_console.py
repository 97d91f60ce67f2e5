# SPDX-License-Identifier: Apache-2.0
"""Consoles that are enabled are served, and no others."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from baremetal_backend.conf.console import ConsoleSettings
from baremetal_backend.core.errors import (
    HardwareFailed,
    HardwareRefused,
    NodeChanged,
)
from baremetal_backend.core.records import Node
from baremetal_backend.drivers.console_server import ConsoleServers
from baremetal_backend.drivers.ipmi.console import PORT, IpmiConsole
from lab.ports import HIGHEST, LOWEST, accepts, free_port
from tests.backend.drivers.ipmi.conftest import INFO, SETTINGS, Task
from tests.backend.running import until
from tests.fakes.bmc import Clock
from tests.fakes.serial_line import FakeMachine


class Client:
    """Opens consoles of machines, by the address of their BMC."""

    def __init__(self) -> None:
        self.machines: dict[str, FakeMachine] = {}
        self.forced: list[bool] = []

    def open_console(self, bmc, received, closed, seconds=None, force=False):
        self.forced.append(force)
        return self.machine(bmc.address)(received, closed)

    def machine(self, address="192.0.2.1"):
        return self.machines.setdefault(address, FakeMachine())

    def forget(self, bmc):
        """Nothing is open but consoles."""


class Conductor:
    """As a manager: the nodes of this conductor, in memory."""

    host = "one"

    def __init__(self, *nodes) -> None:
        self.rows = {node.uuid: node for node in nodes}
        self.others_write = False

    def __getitem__(self, uuid="u"):
        return self.rows[uuid]

    def nodes(self, interface=None, filters=None, fields=()):
        assert isinstance(interface, IpmiConsole)
        assert filters == {"console_enabled": True}
        return [
            SimpleNamespace(
                uuid=node.uuid,
                **{name: getattr(node, name) for name in fields},
            )
            for node in self.rows.values()
            if node.console_enabled
        ]

    def shared(self, uuid):
        task = Task(self.rows[uuid])

        def save(**changes):
            if self.others_write:
                raise NodeChanged(f"Node {uuid}")
            self.change(uuid, **changes)

        task.save = save
        return task

    def change(self, uuid="u", **changes):
        self.rows[uuid] = dataclasses.replace(self.rows[uuid], **changes)


def node(**values):
    return Node(
        **{"uuid": "u", "driver": "ipmi", "driver_info": INFO, **values}
    )


class Site:
    def __init__(self, **console) -> None:
        self.settings = dataclasses.replace(
            SETTINGS,
            console=ConsoleSettings(
                **{"port_range": (LOWEST, HIGHEST), **console}
            ),
        )
        self.client = Client()
        self.clock = Clock()
        self.restart()

    def restart(self):
        """A conductor that begins anew."""
        self.servers = ConsoleServers(self.settings)
        self.servers.start()
        self.console = IpmiConsole(self.settings, self.client, self.servers)
        self.console.monotonic = self.clock

    def look(self, conductor):
        self.console.look_after_consoles(conductor, None)


@pytest.fixture
def site():
    site = Site()
    yield site
    site.servers.stop()


def test_an_enabled_console_has_a_url_and_is_served(site):
    task = Task(node())
    assert site.console.start_console(task) is None
    port = site.servers.served["u"]
    assert site.console.get_console(task.node) == {
        "type": "socat",
        "url": f"tcp://127.0.0.1:{port}",
    }
    assert accepts(port)
    assert task.node.driver_internal_info == {PORT: port}


def test_a_disabled_console_is_gone_and_its_port_forgotten(site):
    task = Task(node(driver_internal_info={"other": 1}))
    site.console.start_console(task)
    port = site.servers.served["u"]
    site.console.stop_console(task)
    assert not accepts(port)
    assert task.node.driver_internal_info == {"other": 1}
    site.console.stop_console(task)
    assert task.saves == 2


def test_a_node_may_have_a_port_of_its_own(site):
    port = free_port()
    info = {**INFO, "ipmi_terminal_port": str(port)}
    task = Task(node(driver_info=info))
    site.console.start_console(task)
    assert site.servers.served == {"u": port}
    other = Task(node(uuid="other", driver_info=info))
    with pytest.raises(
        HardwareRefused, match=f"ipmi_terminal_port: port {port}"
    ):
        site.console.start_console(other)
    assert other.saves == 0


def test_a_range_without_a_free_port_is_the_conductors_fault():
    port = free_port()
    site = Site(port_range=(port, port))
    try:
        site.console.start_console(Task(node()))
        with pytest.raises(HardwareFailed, match=r"\[console\]port_range"):
            site.console.start_console(Task(node(uuid="other")))
    finally:
        site.servers.stop()


@pytest.mark.parametrize(
    ("info", "field"),
    [
        ({}, "ipmi_address"),
        ({**INFO, "ipmi_terminal_port": 70000}, "ipmi_terminal_port"),
        (
            {
                **INFO,
                "ipmi_bridging": "single",
                "ipmi_target_channel": 1,
                "ipmi_target_address": 0x82,
            },
            "ipmi_bridging: there is no serial over LAN",
        ),
    ],
)
def test_bad_data_is_refused_by_validate_and_by_the_verb(site, info, field):
    bad = node(driver_info=info)
    with pytest.raises(HardwareRefused, match=field):
        site.console.validate(bad)
    with pytest.raises(HardwareRefused, match=field):
        site.console.start_console(Task(bad))
    assert site.servers.served == {}


@pytest.mark.parametrize("wanted", [True, False])
def test_others_are_deactivated_if_the_option_says_so(wanted):
    site = Site(deactivate_others=wanted)
    try:
        site.console.start_console(Task(node()))
        assert accepts(site.servers.served["u"])
        until(lambda: site.client.forced == [wanted], 5, "an opening")
    finally:
        site.servers.stop()


def test_a_restarted_conductor_serves_the_same_url_again(site):
    task = Task(node())
    site.console.start_console(task)
    url = site.console.get_console(task.node)["url"]
    conductor = Conductor(dataclasses.replace(task.node, console_enabled=True))
    site.servers.stop()
    site.restart()
    site.look(conductor)
    assert site.console.get_console(conductor["u"])["url"] == url
    assert accepts(site.servers.served["u"])


def test_who_asks_for_the_url_does_not_wait_for_the_next_round(site):
    found = node(console_enabled=True)
    url = site.console.get_console(found)["url"]
    assert accepts(int(url.rpartition(":")[2]))


def test_a_new_port_is_noted_with_the_node(site):
    taken = free_port()
    site.servers.serve("somebody else", FakeMachine(), port=taken)
    conductor = Conductor(
        node(console_enabled=True, driver_internal_info={PORT: taken, "x": 1})
    )
    conductor.others_write = True
    site.look(conductor)
    assert conductor["u"].driver_internal_info[PORT] == taken
    conductor.others_write = False
    site.look(conductor)
    port = site.servers.served["u"]
    assert port != taken
    assert conductor["u"].driver_internal_info == {PORT: port, "x": 1}


def test_a_node_that_was_handed_over_or_removed_is_served_no_more(site):
    conductor = Conductor(
        node(console_enabled=True), node(uuid="v", console_enabled=True)
    )
    site.look(conductor)
    assert set(site.servers.served) == {"u", "v"}
    del conductor.rows["u"]
    site.look(conductor)
    assert set(site.servers.served) == {"v"}


def test_what_was_just_enabled_is_not_closed_before_it_is_written(site):
    conductor = Conductor(node())
    site.console.start_console(conductor.shared("u"))
    site.look(conductor)
    assert set(site.servers.served) == {"u"}
    # It was never written: the conductor may have lost the node.
    site.clock.now += 31
    site.look(conductor)
    assert site.servers.served == {}


def test_what_was_just_disabled_is_not_served_before_it_is_written(site):
    conductor = Conductor(node(console_enabled=True, reservation="one"))
    site.look(conductor)
    site.console.stop_console(conductor.shared("u"))
    site.look(conductor)
    assert site.servers.served == {}
    # A tear-down takes longer than that.
    site.clock.now += 31
    site.look(conductor)
    assert site.servers.served == {}
    # It ended without having been written.
    conductor.change(reservation=None)
    site.look(conductor)
    assert set(site.servers.served) == {"u"}


def test_a_node_whose_bmc_moved_gets_a_line_to_the_new_one(site):
    conductor = Conductor(node(console_enabled=True))
    site.look(conductor)
    port = site.servers.served["u"]
    conductor.change(driver_info={**INFO, "ipmi_address": "192.0.2.9"})
    site.look(conductor)
    assert site.servers.served == {"u": port}
    assert accepts(port)
    until(
        lambda: site.client.machine("192.0.2.9").openings,
        5,
        "a line to the new BMC",
    )
    assert site.client.machine("192.0.2.1").openings == []


def test_a_node_with_bad_data_is_complained_about_once(site, caplog):
    conductor = Conductor(
        node(console_enabled=True, driver_info={}),
        node(uuid="v", console_enabled=True),
    )
    for _ in range(3):
        site.look(conductor)
    assert set(site.servers.served) == {"v"}
    found = [one for one in caplog.records if "can't be served" in one.message]
    assert len(found) == 1
    assert "ipmi_address" in found[0].message


def test_a_forgotten_node_is_closed_at_once(site):
    found = node(console_enabled=True)
    site.look(Conductor(found))
    site.console.forget(found)
    assert site.servers.served == {}


def test_nothing_is_remembered_of_nodes_that_are_gone(site):
    conductor = Conductor(node())
    task = conductor.shared("u")
    site.console.start_console(task)
    site.console.stop_console(conductor.shared("u"))
    site.clock.now += 31
    site.look(conductor)
    kept = (site.console._started, site.console._stopped)
    assert kept == ({}, {})
    assert site.console._serving == {}
