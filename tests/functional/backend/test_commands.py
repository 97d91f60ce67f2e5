# SPDX-License-Identifier: Apache-2.0
"""What each command is, what it refuses, and what it does without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backend.running import RunningBackend, free_port

COMMANDS = ("all_in_one", "api", "conductor", "dbsync")
RABBIT = "rabbit://nobody:nothing@127.0.0.1:1/"


def run(command, *arguments):
    return subprocess.run(
        [sys.executable, "-m", f"baremetal_backend.cmd.{command}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_version_are_there(command):
    shown = run(command, "--help")
    assert (shown.returncode, "--config-file" in shown.stdout) == (0, True)
    version = run(command, "--version")
    assert (version.returncode, bool(version.stdout.strip())) == (0, True)


@pytest.mark.parametrize("command", ["api", "conductor"])
def test_one_of_several_processes_needs_messages(command, tmp_path):
    conf = tmp_path / "b.conf"
    conf.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    refused = run(command, "--config-file", str(conf))
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "[DEFAULT]rpc_transport" in line
    assert not (tmp_path / "baremetal.sqlite").exists()


@pytest.mark.parametrize("command", ["all_in_one", "api", "conductor"])
def test_several_processes_on_one_sqlite_file_are_refused(command, tmp_path):
    conf = tmp_path / "b.conf"
    conf.write_text(
        f"[DEFAULT]\nstate_path = {tmp_path}\nrpc_transport = oslo\n"
        f"transport_url = {RABBIT}\n"
    )
    refused = run(command, "--config-file", str(conf))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "[DEFAULT]rpc_transport" in line
    assert "PostgreSQL" in line


def test_alone_it_runs_without_what_only_several_processes_need(tmp_path):
    conf = tmp_path / "b.conf"
    conf.write_text(
        f"[DEFAULT]\nstate_path = {tmp_path}\n[api]\nport = {free_port()}\n"
    )
    program = (
        "import sys\n"
        "from baremetal_backend.cmd import start\n"
        "found = start.Configuration(sys.argv[1:])\n"
        "from baremetal_backend.runtime import Runtime\n"
        "runtime = Runtime(found.settings, options=found.options)\n"
        "runtime.start()\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "runtime.stop()\n"
        "print(' '.join(sorted(names)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "--config-file", str(conf)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    loaded = set(ended.stdout.split())
    assert "falcon" in loaded
    costly = {"oslo_messaging", "oslo_service", "kombu", "amqp", "tooz"}
    assert loaded & (costly | {"eventlet", "futurist", "nova"}) == set()


def test_the_directory_of_conductors_tells_the_truth(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        (one,) = backend.http("GET", "/v1/conductors").json["conductors"]
        assert (one["hostname"], one["alive"]) == ("one", True)
        node = backend.node(conductor_group="rack7")
        path = f"/v1/nodes/{node['uuid']}"
        assert backend.http("GET", path).json["conductor"] == "one"
    finally:
        assert backend.stop() == 0
    renamed = RunningBackend(tmp_path, DEFAULT={"host": "renamed"})
    try:
        listed = renamed.http("GET", "/v1/conductors").json["conductors"]
        assert [(c["hostname"], c["alive"]) for c in listed] == [
            ("renamed", True)
        ]
        assert renamed.http("GET", path).json["conductor"] == "renamed"
        renamed.process.send_signal(signal.SIGKILL)
        renamed.process.wait(10)
        again = RunningBackend(tmp_path, DEFAULT={"host": "again"})
        listed = again.http("GET", "/v1/conductors").json["conductors"]
        assert {c["hostname"]: c["alive"] for c in listed} == {
            "again": True,
            "renamed": False,
        }
        again.stop()
    finally:
        renamed.stop()


def test_a_process_that_was_stopped_for_long_is_itself_again(tmp_path):
    beats = {"heartbeat_interval": "0.2", "heartbeat_timeout": "1"}
    backend = RunningBackend(tmp_path, conductor=beats)
    try:
        os.kill(backend.process.pid, signal.SIGSTOP)
        try:
            # Longer than the time-out: nobody else may have the file.
            subprocess.run(["sleep", "1.5"], check=True)
        finally:
            os.kill(backend.process.pid, signal.SIGCONT)
        node = backend.available_node()
        assert node["reservation"] is None
    finally:
        assert backend.stop() == 0
