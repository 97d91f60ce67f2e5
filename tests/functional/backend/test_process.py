# SPDX-License-Identifier: Apache-2.0
"""The service as a process: killed, stopped, started twice, misconfigured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.backend.running import RunningBackend, free_port, until

INSTANCE = "11111111-1111-4111-8111-111111111111"
SLOW = {"fake_deploy_delay": 600}


def run(*arguments, module="all_in_one"):
    return subprocess.run(
        [sys.executable, "-m", f"baremetal_backend.cmd.{module}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def put(backend, node, verb):
    path = f"/v1/nodes/{node['uuid']}/states/provision"
    return backend.http("PUT", path, {"target": verb})


def show(backend, node):
    return backend.http("GET", f"/v1/nodes/{node['uuid']}").json


def test_a_node_whose_conductor_was_killed_in_mid_deploy_is_usable_again(
    tmp_path,
):
    backend = RunningBackend(tmp_path)
    try:
        deploying = backend.available_node(driver_info=SLOW)
        resting = backend.available_node()
        powering = backend.available_node(driver_info={"fake_power_delay": 0})
        uuid = deploying["uuid"]
        backend.http(
            "PATCH",
            f"/v1/nodes/{uuid}",
            [
                {
                    "op": "add",
                    "path": "/instance_uuid",
                    "value": INSTANCE,
                }
            ],
        )
        assert put(backend, deploying, "active").status == 202
        assert show(backend, deploying)["provision_state"] == "deploying"
        assert show(backend, deploying)["reservation"] == "one"
        backend.http(
            "PATCH",
            f"/v1/nodes/{powering['uuid']}",
            [
                {
                    "op": "add",
                    "path": "/driver_info/fake_power_delay",
                    "value": 600,
                }
            ],
        )
        reply = backend.http(
            "PUT",
            f"/v1/nodes/{powering['uuid']}/states/power",
            {"target": "power on"},
        )
        assert reply.status == 202
        before = show(backend, resting)
        backend.process.send_signal(signal.SIGKILL)
        backend.process.wait(10)

        backend = RunningBackend(tmp_path)
        failed = show(backend, deploying)
        assert failed["provision_state"] == "deploy failed"
        assert failed["reservation"] is None
        assert failed["last_error"] == (
            'Conductor one stopped while the node was "deploying", in step '
            "deploy of interface deploy."
        )
        assert failed["instance_uuid"] == INSTANCE
        switched = show(backend, powering)
        assert switched["target_power_state"] is None
        assert "power on" in switched["last_error"]
        after = show(backend, resting)
        for field in ("provision_state", "power_state", "updated_at"):
            assert after[field] == before[field]
        assert put(backend, deploying, "deleted").status == 202
        backend.state(uuid, "available")
        assert show(backend, deploying)["instance_uuid"] is None
    finally:
        backend.stop()


def test_sigterm_lets_running_operations_end_and_exits_with_0(tmp_path):
    backend = RunningBackend(tmp_path)
    node = backend.available_node(driver_info={"fake_deploy_delay": 2})
    assert put(backend, node, "active").status == 202
    assert backend.stop() == 0
    backend = RunningBackend(tmp_path)
    try:
        assert show(backend, node)["provision_state"] == "active"
        assert show(backend, node)["reservation"] is None
    finally:
        assert backend.stop() == 0


def test_what_does_not_end_in_time_fails_at_the_next_start(tmp_path):
    options = {"DEFAULT": {"graceful_shutdown_timeout": "0"}}
    backend = RunningBackend(tmp_path, **options)
    node = backend.available_node(driver_info=SLOW)
    assert put(backend, node, "active").status == 202
    backend.process.send_signal(signal.SIGINT)
    assert backend.process.wait(20) == 0
    assert "graceful_shutdown_timeout" in backend.log.read_text()
    backend = RunningBackend(tmp_path)
    try:
        assert show(backend, node)["provision_state"] == "deploy failed"
    finally:
        backend.stop()


def test_a_second_process_on_the_same_file_is_refused(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        conf = tmp_path / "second.conf"
        conf.write_text(
            f"[DEFAULT]\nhost = two\nstate_path = {tmp_path}\n"
            f"[api]\nport = {free_port()}\n"
            f"[database]\nconnection = sqlite:///{backend.database}\n"
        )
        for module in ("all_in_one", "dbsync"):
            second = run("--config-file", str(conf), module=module)
            assert second.returncode == 1
            assert second.stdout == ""
            (line,) = second.stderr.splitlines()
            assert "[database]connection" in line
            assert str(backend.process.pid) in line
    finally:
        backend.stop()


def test_a_taken_port_is_said_in_one_line(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        conf = tmp_path / "second.conf"
        conf.write_text(
            f"[DEFAULT]\nstate_path = {tmp_path}/2\n"
            f"[api]\nport = {backend.port}\n"
        )
        second = run("--config-file", str(conf))
        assert second.returncode == 1
        last = second.stderr.splitlines()[-1]
        assert "[api]port" in last
        assert str(backend.port) in last
    finally:
        backend.stop()


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("[DEFAULT]\nauth_strategy = keystone\n", "auth_strategy"),
        ("[api]\nhost_ip = 0.0.0.0\n", "[api]host_ip"),
        ("[api]\nport = a\n", "port"),
        ("[DEFAULT]\nenabled_hardware_types = warp\n", "hardware_types"),
        ("[database]\nconnection = nonsense\n", "[database]connection"),
        (
            "[database]\nconnection = sqlite:////proc/x/y.db\n",
            "[database]connection",
        ),
    ],
)
def test_a_bad_option_ends_the_start_with_one_line(tmp_path, text, option):
    conf = tmp_path / "b.conf"
    conf.write_text(text)
    ended = run("--config-file", str(conf))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert option in line
    assert "Traceback" not in line


def test_dbsync_brings_a_new_database_up_once(tmp_path):
    conf = tmp_path / "b.conf"
    conf.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    first = run("--config-file", str(conf), module="dbsync")
    assert (first.returncode, first.stdout.splitlines()[-1]) == (
        0,
        "The database was at nothing, now at 0003.",
    )
    second = run("--config-file", str(conf), module="dbsync")
    assert "already" in second.stdout


def test_a_database_that_vanishes_does_not_take_the_service_along(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        node = backend.available_node()
        for name in os.listdir(tmp_path):
            if name.startswith("backend.sqlite"):
                os.rename(tmp_path / name, tmp_path / f"away-{name}")
        # Open connections still see the file; a file of another content
        # at the same place is what a new one meets.
        backend.database.write_bytes(b"not a database" * 1000)
        replies = [
            backend.http("GET", "/v1/nodes"),
            put(backend, node, "active"),
        ]
        assert {reply.status for reply in replies} <= {200, 202, 503}
        assert backend.process.poll() is None
    finally:
        backend.stop()
        assert "Traceback" not in backend.log.read_text()


def test_twenty_deployments_at_once_take_as_long_as_one(tmp_path):
    backend = RunningBackend(tmp_path, conductor={"workers_pool_size": "3"})
    try:
        nodes = [
            backend.available_node(driver_info={"fake_deploy_delay": 3})
            for _ in range(20)
        ]
        for node in nodes:
            assert put(backend, node, "active").status == 202

        def all_active():
            listed = backend.http("GET", "/v1/nodes?provision_state=active")
            return len(listed.json["nodes"]) == len(nodes)

        # One after the other on three threads would take 20 s.
        until(all_active, 12, "all nodes to be active")
    finally:
        backend.stop()
