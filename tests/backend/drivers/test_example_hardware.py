# SPDX-License-Identifier: Apache-2.0
"""The guide's hardware type, installed and driven over HTTP, end to end.

The package is installed as pip installs any: the service finds it through
its entry points. What it drives is a shelf controller on the loopback
interface.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.running import RunningBackend, until
from tests.fakes.shelf_controller import ShelfController

PACKAGE = Path(__file__).parents[2] / "example_hardware"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A directory with the example installed by pip."""
    source = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(PACKAGE, source)
    target = tmp_path_factory.mktemp("installed")
    # Nothing is fetched: what it needs to be built is here already.
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet"),
            *("--no-index", "--no-deps", "--no-build-isolation"),
            *("--disable-pip-version-check", "--no-cache-dir"),
            *("--target", str(target), str(source)),
        ],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    return target


@pytest.fixture(scope="module")
def controller() -> Iterator[ShelfController]:
    one = ShelfController()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def backend(tmp_path_factory, installed) -> Iterator[RunningBackend]:
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    running = RunningBackend(
        tmp_path_factory.mktemp("backend"),
        {"PYTHONPATH": os.pathsep.join(paths)},
        DEFAULT={"enabled_hardware_types": "shelf"},
        shelf={"poll_interval": "0.2", "temperature_interval": "0.5"},
    )
    yield running
    running.stop()


@pytest.fixture
def slot(controller) -> str:
    return controller.shelf.add()


@pytest.fixture
def node(backend, controller, slot) -> str:
    """A node in a slot, enrolled."""
    made = backend.node(
        driver="shelf",
        driver_info={"shelf_address": controller.url, "shelf_slot": slot},
        instance_info={"image_source": "http://127.0.0.1/image"},
    )
    return str(made["uuid"])


def ask(backend, node, verb, **more):
    path = f"/v1/nodes/{node}/states/provision"
    reply = backend.http("PUT", path, {"target": verb, **more})
    assert reply.status == 202, reply.data


def act(backend, node, verb, state, **more):
    ask(backend, node, verb, **more)
    backend.state(node, state)
    return backend.http("GET", f"/v1/nodes/{node}").json


def test_the_service_offers_the_hardware_type_with_its_properties(backend):
    shown = backend.http("GET", "/v1/drivers/shelf").json
    assert shown["name"] == "shelf"
    assert shown["default_power_interface"] == "shelf"
    keys = backend.http("GET", "/v1/drivers/shelf/properties").json
    assert "shelf_slot" in keys


def test_a_node_goes_the_whole_way_to_an_instance_and_back(
    backend, controller, node, slot
):
    shelf = controller.shelf
    act(backend, node, "manage", "manageable")
    act(backend, node, "provide", "available")
    assert shelf.done(slot) == ["erase"]
    assert shelf.slots[slot]["power"] == "off"
    shown = act(backend, node, "active", "active")
    assert shown["power_state"] == "power on"
    assert shown["deploy_step"] == {}
    assert shelf.slots[slot]["boot"] == "disk"
    assert shelf.slots[slot]["power"] == "on"
    steps = [
        {
            "interface": "management",
            "step": "update_firmware",
            "args": {"version": "2"},
        }
    ]
    act(backend, node, "service", "active", service_steps=steps)
    until(
        lambda: (
            backend.http("GET", f"/v1/nodes/{node}").json["reservation"]
            is None
        ),
        10,
        "the node to be given back",
    )
    act(backend, node, "deleted", "available")
    assert shelf.done(slot) == ["erase", "write", "update", "erase"]
    assert shelf.slots[slot]["power"] == "off"
    events = backend.http("GET", f"/v1/nodes/{node}/history").json["history"]
    assert '"clean wait" -> "cleaning" on resume' in " ".join(
        event["event"] for event in events
    )


def test_an_empty_slot_is_refused_by_the_verify_step(backend, controller):
    made = backend.node(
        driver="shelf",
        driver_info={
            "shelf_address": controller.url,
            "shelf_slot": controller.shelf.add(serial=""),
        },
    )
    ask(backend, made["uuid"], "manage")
    path = f"/v1/nodes/{made['uuid']}"
    until(
        lambda: backend.http("GET", path).json["last_error"] is not None,
        20,
        "the verify step to fail",
    )
    shown = backend.http("GET", path).json
    assert shown["provision_state"] == "enroll"
    assert shown["last_error"] == (
        "Failed to manage: step check_slot of interface management: "
        "The slot is empty."
    )


def test_a_job_that_fails_fails_the_node_with_the_steps_name(
    backend, controller, node
):
    act(backend, node, "manage", "manageable")
    controller.shelf.failures["update"] = "flash is worn out"
    steps = [
        {
            "interface": "management",
            "step": "update_firmware",
            "args": {"version": "2"},
        }
    ]
    try:
        shown = act(backend, node, "clean", "clean failed", clean_steps=steps)
    finally:
        controller.shelf.failures.clear()
    assert shown["last_error"] == (
        "Failed to clean: step update_firmware of interface management: "
        "flash is worn out"
    )
    assert shown["clean_step"]["step"] == "update_firmware"


def test_a_step_without_its_argument_is_refused_by_name(backend, node):
    act(backend, node, "manage", "manageable")
    reply = backend.http(
        "PUT",
        f"/v1/nodes/{node}/states/provision",
        {
            "target": "clean",
            "clean_steps": [
                {"interface": "management", "step": "update_firmware"}
            ],
        },
    )
    assert reply.status == 400
    assert "update_firmware" in reply.fault
    assert '"version" is required' in reply.fault


def test_an_erasure_that_lasts_too_long_can_be_aborted(
    backend, controller, node
):
    act(backend, node, "manage", "manageable")
    controller.shelf.endless.add("erase")
    try:
        act(backend, node, "provide", "clean wait")
        shown = act(backend, node, "abort", "clean failed")
    finally:
        controller.shelf.endless.clear()
    assert "step erase of interface management" in shown["last_error"]
    act(backend, node, "manage", "manageable")


def test_a_node_whose_data_will_not_do_is_refused_with_the_key(backend):
    made = backend.node(driver="shelf", driver_info={"shelf_slot": "x"})
    shown = backend.http("GET", f"/v1/nodes/{made['uuid']}/validate").json
    assert shown["power"]["result"] is False
    assert "shelf_address" in shown["power"]["reason"]


def test_the_drivers_own_periodic_task_runs_at_its_options_spacing(
    backend, controller, node, slot
):
    act(backend, node, "manage", "manageable")
    controller.shelf.slots[slot]["celsius"] = 95
    until(
        lambda: f"Node {node}: 95 degrees." in backend.log.read_text(),
        20,
        "the warning",
    )
    controller.shelf.slots[slot]["celsius"] = 30


def own_backend(directory, installed, **shelf):
    return RunningBackend(
        directory,
        {"PYTHONPATH": str(installed)},
        DEFAULT={"enabled_hardware_types": "shelf"},
        shelf={"poll_interval": "0.2", **shelf},
    )


def test_a_job_outlives_the_conductor_that_began_it(
    installed, controller, slot, tmp_path
):
    info = {"shelf_address": controller.url, "shelf_slot": slot}
    first = own_backend(tmp_path, installed)
    controller.shelf.endless.add("erase")
    try:
        node = first.node(driver="shelf", driver_info=info)["uuid"]
        act(first, node, "manage", "manageable")
        act(first, node, "provide", "clean wait")
    finally:
        first.process.kill()
        first.process.wait(10)
        controller.shelf.endless.clear()
    second = own_backend(tmp_path, installed)
    try:
        second.state(node, "available")
    finally:
        second.stop()
    assert controller.shelf.done(slot) == ["erase"]


def test_the_drivers_options_follow_a_reload(
    installed, controller, slot, tmp_path
):
    info = {"shelf_address": controller.url, "shelf_slot": slot}
    controller.shelf.slots[slot]["celsius"] = 95
    one = own_backend(
        tmp_path,
        installed,
        temperature_interval="0.2",
        watch_temperature="false",
    )
    try:
        node = one.node(driver="shelf", driver_info=info)["uuid"]
        act(one, node, "manage", "manageable")
        assert "95 degrees" not in one.log.read_text()
        conf = tmp_path / "backend.conf"
        text = conf.read_text()
        conf.write_text(text.replace("= false", "= true"))
        one.process.send_signal(signal.SIGHUP)
        until(
            lambda: f"Node {node}: 95 degrees." in one.log.read_text(),
            20,
            "the warning",
        )
    finally:
        one.stop()


def test_options_of_the_driver_are_checked_like_all_others(
    installed, tmp_path
):
    with pytest.raises(RuntimeError, match="poll_interval"):
        RunningBackend(
            tmp_path,
            {"PYTHONPATH": str(installed)},
            DEFAULT={"enabled_hardware_types": "shelf"},
            shelf={"poll_interval": "never"},
        )
