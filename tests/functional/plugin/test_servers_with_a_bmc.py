# SPDX-License-Identifier: Apache-2.0
"""What a user does to a server reaches the controller of its node.

Through Nova's API, its compute service and the bare metal service to a real
``ipmi_sim``, which notes what it carried out.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from lab.faulty_proxy import FaultyProxy
from lab.ipmi import witness
from lab.ipmi.farm import Farm, SimulatedBmc
from tests.backend.running import RunningBackend
from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, configured
from tests.functional.plugin.nova_in_process import Nova
from tests.functional.plugin.servers import Cloud, bare_metal_flavor

HOST = "c1"


@pytest.fixture(scope="module")
def bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBmc]:
    """The controller of the only node; off at first."""
    directory = tmp_path_factory.mktemp("farm")
    with Farm(directory, 1, is_on=lambda number: False) as farm:
        yield farm[0]


@pytest.fixture(scope="module")
def backend(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningBackend]:
    """A service with hardware type ipmi.

    A system that does not shut down gets two seconds: the client library
    that Nova uses keeps Nova's own ``shutdown_timeout`` to itself.
    """
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        DEFAULT={"enabled_hardware_types": "ipmi"},
        conductor={"soft_power_off_timeout": "2"},
    )
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def cloud(
    nova_of_module: Nova, backend: RunningBackend, bmc: SimulatedBmc
) -> Iterator[Cloud]:
    """One compute with the node."""
    operator = BareMetal(backend.url)
    port = urllib.parse.urlsplit(backend.url).port
    assert port is not None
    proxy = FaultyProxy(port)
    nova = configured(nova_of_module, proxy.url)
    nova.configure([HOST], peer_list=[HOST])
    operator.enrol(
        1,
        GROUP,
        available=True,
        driver="ipmi",
        driver_info=bmc.driver_info,
    )
    nova.start(HOST)
    nova.run()
    nova.clock.advance(600)
    cloud = Cloud(nova, operator, proxy, bare_metal_flavor(nova))
    yield cloud
    for server in nova.case.api.get_servers(detail=False):
        cloud.delete(server)
    nova.reset()
    proxy.close()
    operator.remove_all()


@pytest.fixture(scope="module")
def server(cloud: Cloud, bmc: SimulatedBmc) -> dict[str, Any]:
    """An active server on the node."""
    return cloud.wait(cloud.boot(), "ACTIVE")


def test_a_boot_switches_the_machine_on(
    server: dict[str, Any], bmc: SimulatedBmc
) -> None:
    assert bmc.journal[-1] == "power 1"
    assert witness.is_on(bmc.target)


def test_a_hard_reboot_is_off_and_on_at_the_controller(
    cloud: Cloud, server: dict[str, Any], bmc: SimulatedBmc
) -> None:
    before = len(bmc.journal)

    cloud.act(server, reboot={"type": "HARD"})
    cloud.wait(server, "ACTIVE")

    assert bmc.journal[before:] == ["power 0", "power 1"]
    assert witness.is_on(bmc.target)


def test_a_soft_reboot_asks_the_system_first(
    cloud: Cloud, server: dict[str, Any], bmc: SimulatedBmc
) -> None:
    before = len(bmc.journal)

    cloud.act(server, reboot={"type": "SOFT"})
    cloud.wait(server, "ACTIVE")

    done = [entry.split()[0] for entry in bmc.journal[before:]]
    assert done == ["shutdown", "power"]
    assert bmc.is_on


def test_a_stopped_server_is_off_and_a_started_one_is_on(
    cloud: Cloud, server: dict[str, Any], bmc: SimulatedBmc
) -> None:
    before = len(bmc.journal)

    cloud.act(server, **{"os-stop": None})
    cloud.wait(server, "SHUTOFF")
    assert not witness.is_on(bmc.target)
    assert bmc.journal[before].startswith("shutdown")

    cloud.act(server, **{"os-start": None})
    cloud.wait(server, "ACTIVE")
    assert witness.is_on(bmc.target)


def test_a_system_that_does_not_shut_down_is_switched_off(
    cloud: Cloud, server: dict[str, Any], bmc: SimulatedBmc
) -> None:
    bmc.ignore_shutdown()
    before = len(bmc.journal)

    cloud.act(server, **{"os-stop": None})
    cloud.wait(server, "SHUTOFF")

    done = [entry.split()[0] for entry in bmc.journal[before:]]
    assert done == ["shutdown", "power"]
    assert not witness.is_on(bmc.target)
    bmc.ignore_shutdown(False)
    cloud.act(server, **{"os-start": None})
    cloud.wait(server, "ACTIVE")
    assert bmc.is_on
