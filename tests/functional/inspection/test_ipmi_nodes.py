# SPDX-License-Identifier: Apache-2.0
"""What an inspection does to a machine, by IPMI, seen from the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.inspection.ramdisk_reports import Hardware
from lab.ipmi.farm import Farm, SimulatedBmc
from tests.backend.running import until
from tests.functional.inspection.conftest import MakePair
from tests.functional.inspection.service import OFF, Machine, Pair


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Three controllers of ipmi_sim; the machine of the first is on."""
    with Farm(tmp_path_factory.mktemp("farm"), 3, own_process=True) as farm:
        yield farm


@pytest.fixture(scope="module")
def pair(make_pair: MakePair) -> Pair:
    return make_pair(
        options={
            "DEFAULT": {"enabled_hardware_types": "fake-hardware,ipmi"},
            "ipmi": {"command_retry_timeout": "2", "poll_timeout": "1"},
            "conductor": {"power_state_change_timeout": "10"},
        }
    )


def enrol(pair: Pair, bmc: SimulatedBmc) -> Machine:
    """A manageable node with one port.

    All controllers here have a loopback address, by which the inspector
    recognizes nobody.
    """
    hardware = Hardware(1000 + bmc.number)
    node = pair.backend.node(
        driver="ipmi",
        driver_info=bmc.driver_info,
        inspect_interface="discoverd",
    )
    port = {"node_uuid": node["uuid"], "address": hardware.macs[0]}
    reply = pair.backend.http("POST", "/v1/ports", port)
    assert reply.status == 201, reply.data
    pair.ask(node["uuid"], "manage")
    pair.backend.state(node["uuid"], "manageable")
    return Machine(node["uuid"], hardware)


@pytest.mark.parametrize("number", [0, 1], ids=["on", "off"])
def test_a_machine_boots_once_from_the_network_and_is_off_at_the_end(
    pair: Pair, farm: Farm, number: int
) -> None:
    bmc = farm[number]
    assert bmc.is_on == (number == 0)
    machine = enrol(pair, bmc)
    before = len(bmc.journal)
    pair.inspect(machine)
    pair.until_booted(machine)
    until(lambda: bmc.is_on and bmc.journal[before:] != [], 10, "a boot")
    pair.report(machine)
    pair.ends_well(machine)
    until(lambda: pair.show(machine)["power_state"] == OFF, 10, "power off")
    assert not bmc.is_on
    assert bmc.journal[before:] == [
        "boot pxe",
        "power 0",
        "power 1",
        "power 0",
    ]


def test_a_controller_that_is_gone_fails_it_with_what_went_wrong(
    pair: Pair, farm: Farm
) -> None:
    bmc = farm[2]
    machine = enrol(pair, bmc)
    bmc.stop()
    try:
        pair.inspect(machine)
        shown = pair.ends(machine, "inspect failed", 60)
    finally:
        bmc.cont()
    assert "boot device" in shown["last_error"]
    assert str(bmc.port) in shown["last_error"]
    pair.works(machine)
