# SPDX-License-Identifier: Apache-2.0
"""The service as a process, controllers that fail, and users who act."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.ipmi import witness
from lab.ipmi.farm import Farm
from lab.ipmi.scripted import ScriptedBmc
from tests.backend.running import until
from tests.functional.ipmi.service import OFF, ON, Service


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    yield service
    assert service.backend.stop() == 0
    assert "Traceback" not in service.backend.log.read_text()


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """Without nodes."""
    yield running
    running.forget()


@pytest.fixture
def scripted_node(
    service: Service, scripted: ScriptedBmc
) -> tuple[str, ScriptedBmc]:
    return service.managed(scripted.driver_info), scripted


def test_a_node_whose_controller_is_not_there_stays_enrolled(
    service: Service, farm: Farm
) -> None:
    farm[3].stop()
    try:
        node = service.enrol(farm[3].driver_info)
        service.ask_to_manage(node)
        shown = service.until_node(
            node, provision_state="enroll", target_provision_state=None
        )
        until(lambda: service.show(node)["last_error"], 10, "an error")
        error = service.show(node)["last_error"]
    finally:
        farm[3].cont()
    assert shown["power_state"] is None
    assert f"127.0.0.1:{farm[3].port}" in error
    assert "Get Chassis Status" in error
    assert re.search(r"\d+\.\d s", error), error
    service.manage(node)


def test_a_wrong_password_is_said_and_the_right_one_is_enough(
    service: Service, farm: Farm
) -> None:
    wrong = dict(farm[2].driver_info, ipmi_password="not-the-word")
    node = service.enrol(wrong)
    service.ask_to_manage(node)
    until(lambda: service.show(node)["last_error"], 10, "an error")
    error = service.show(node)["last_error"]
    assert "password" in error
    assert "not-the-word" not in error
    service.patch(node, "/driver_info/ipmi_password", farm[2].password)
    service.manage(node)
    service.until_node(node, power_state=OFF)


def test_what_users_do_is_what_ipmitool_sees(
    service: Service, farm: Farm
) -> None:
    node = service.managed(farm[1].driver_info)
    for verb, on in (
        (ON, True),
        ("rebooting", True),
        ("soft power off", False),
        (ON, True),
        (OFF, False),
    ):
        took = service.power(node, verb)
        assert took < 3, verb
        assert service.show(node)["last_error"] is None
        assert witness.is_on(farm[1].target) == farm[1].is_on == on


def test_power_that_comes_late_is_waited_for(
    service: Service, scripted_node: tuple[str, ScriptedBmc]
) -> None:
    node, bmc = scripted_node
    bmc.script(late_power=2.0)
    assert 1.9 < service.power(node, ON) < 5
    shown = service.show(node)
    assert (shown["power_state"], shown["last_error"]) == (ON, None)
    assert bmc.is_on


def test_a_controller_that_lies_is_not_believed_to_have_done_it(
    service: Service, scripted_node: tuple[str, ScriptedBmc]
) -> None:
    node, bmc = scripted_node
    bmc.script(lies=True)
    # It says "on" now; it is told to be off, and goes on saying so.
    service.ask_for_power(node, OFF)
    shown = service.until_node(node, target_power_state=None)
    assert shown["last_error"]
    assert f"127.0.0.1:{bmc.port}" in shown["last_error"]
    assert "it last said power on" in shown["last_error"]
    bmc.script(lies=False)
    service.power(node, OFF)
    service.until_node(node, power_state=OFF, last_error=None)


def test_a_refusal_is_an_error_that_says_so(
    service: Service, scripted_node: tuple[str, ScriptedBmc]
) -> None:
    node, bmc = scripted_node
    bmc.script(refuses={"00.02": 0xD6})
    assert service.power(node, ON) < 5
    assert "0xd6" in service.show(node)["last_error"]
    assert not bmc.is_on


def test_a_restart_of_the_controller_inside_a_power_on_is_no_error(
    service: Service, farm: Farm
) -> None:
    node = service.managed(farm[1].driver_info)
    service.power(node, OFF)
    farm[1].stop()
    service.ask_for_power(node, ON)
    time.sleep(0.5)
    farm[1].restart()
    service.until_node(
        node, power_state=ON, target_power_state=None, last_error=None
    )
    assert farm[1].is_on


def test_a_switch_behind_our_back_is_undone(
    service: Service, scripted_node: tuple[str, ScriptedBmc]
) -> None:
    node, bmc = scripted_node
    service.power(node, ON)
    bmc.is_on = False
    until(lambda: bmc.is_on, 10, "power on by the conductor")
    service.until_node(node, power_state=ON, maintenance=False)


def test_a_stopped_controller_is_a_power_failure_until_it_continues(
    service: Service, farm: Farm
) -> None:
    node = service.managed(farm[0].driver_info)
    other = service.managed(farm[2].driver_info)
    farm[0].stop()
    try:
        shown = service.until_node(
            node, 20, maintenance=True, fault="power failure"
        )
        assert shown["maintenance_reason"]
        assert service.power(other, ON) < 2
    finally:
        farm[0].cont()
    service.until_node(node, 20, maintenance=False, fault=None)
    service.power(node, ON)
    service.until_node(node, power_state=ON, last_error=None)


def test_a_controller_that_moved_is_found_where_the_node_says(
    service: Service, farm: Farm, tmp_path: Path
) -> None:
    node = service.managed(farm[2].driver_info)
    service.power(node, OFF)
    with Farm(tmp_path, 1) as elsewhere:
        assert elsewhere[0].is_on
        elsewhere[0].is_on = False
        service.patch(node, "/driver_info/ipmi_port", elsewhere[0].target.port)
        service.power(node, ON)
        assert elsewhere[0].is_on
        assert not farm[2].is_on
        service.forget()


def test_all_slots_taken_is_an_error_that_says_busy(
    service: Service, scripted: ScriptedBmc
) -> None:
    scripted.script(max_sessions=0)
    node = service.enrol(scripted.driver_info)
    service.ask_to_manage(node)
    until(lambda: service.show(node)["last_error"], 10, "an error")
    assert "session" in service.show(node)["last_error"]
    scripted.script(max_sessions=4)
    service.manage(node)
    assert scripted.sessions == 1


def test_users_act_on_sixty_while_three_others_are_dead(
    service: Service, tmp_path: Path
) -> None:
    with (
        Farm(tmp_path / "many", 60, cheap=True) as many,
        Farm(tmp_path / "dead", 3, own_process=True) as dying,
        ThreadPoolExecutor(8) as users,
    ):
        infos = [bmc.driver_info for bmc in [*many, *dying]]
        nodes = list(users.map(service.managed, infos))
        for bmc in dying:
            bmc.stop()
        took = list(
            users.map(lambda node: service.power(node, ON), nodes[1:60:3])
        )
        # Each is watched by HTTP, eight at a time.
        assert max(took) < 3
        assert all(many[number].is_on for number in range(1, 60, 3))
        for bmc in dying:
            bmc.cont()
        service.forget()


def test_a_killed_conductor_finds_its_controllers_again(
    tmp_path: Path, scripted: ScriptedBmc
) -> None:
    service = Service(tmp_path)
    node = service.managed(scripted.driver_info)
    assert scripted.sessions == 1
    service.backend.process.send_signal(signal.SIGKILL)
    service.backend.process.wait(10)
    assert scripted.sessions == 1
    again = Service(tmp_path)
    try:
        again.power(node, ON)
        again.until_node(node, power_state=ON, last_error=None)
        assert scripted.is_on
    finally:
        assert again.backend.stop() == 0
    # What the killed one had, and nothing of the one that was stopped.
    assert scripted.sessions == 1


def test_a_removed_or_changed_node_gives_its_session_back(
    service: Service, scripted: ScriptedBmc, farm: Farm
) -> None:
    node = service.managed(scripted.driver_info)
    assert scripted.sessions == 1
    service.until_polled(node)
    service.patch(node, "/driver_info", farm[0].driver_info)
    until(lambda: scripted.sessions == 0, 10, "logout after the change")
    service.patch(node, "/driver_info", scripted.driver_info)
    until(lambda: scripted.sessions == 1, 10, "a question")
    service.until_polled(node)
    service.forget()
    until(lambda: scripted.sessions == 0, 10, "logout after the removal")
