# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what may change changes, a mistake changes nothing."""

from __future__ import annotations

import signal

from tests.backend.running import RunningBackend, until


def change(backend, directory, before, after):
    conf = directory / "backend.conf"
    text = conf.read_text()
    assert before in text
    conf.write_text(text.replace(before, after))
    mark = len(backend.log.read_text())
    backend.process.send_signal(signal.SIGHUP)
    answers = ("was read again", "is refused")

    def answered():
        said = backend.log.read_text()[mark:]
        return any(answer in said for answer in answers)

    until(answered, 10, "an answer to SIGHUP")
    return backend.log.read_text()[mark:]


def test_a_mutable_option_is_in_force_after_sighup(tmp_path):
    option = "allow_deleting_available_nodes"
    backend = RunningBackend(tmp_path, conductor={option: "true"})
    try:
        paths = [
            f"/v1/nodes/{backend.available_node()['uuid']}" for _ in range(2)
        ]
        assert backend.http("DELETE", paths[0]).status == 204
        change(backend, tmp_path, f"{option} = true", f"{option} = false")
        assert backend.http("DELETE", paths[1]).status == 409
    finally:
        assert backend.stop() == 0


def test_a_mistake_is_refused_in_one_line_and_the_service_goes_on(tmp_path):
    backend = RunningBackend(tmp_path, conductor={"heartbeat_timeout": "60"})
    try:
        said = change(backend, tmp_path, "timeout = 60", "timeout = 1")
        (line,) = [one for one in said.splitlines() if "ERROR" in one]
        assert "heartbeat_timeout" in line
        assert "stays in force" in line
        assert backend.node()["provision_state"] == "enroll"
    finally:
        assert backend.stop() == 0


def test_a_broken_file_is_refused_too(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        said = change(backend, tmp_path, "[api]", "[api")
        assert "is refused" in said
        assert "Traceback" not in said
        assert backend.node()["provision_state"] == "enroll"
    finally:
        assert backend.stop() == 0


def test_an_option_that_needs_a_restart_keeps_its_value_and_says_so(tmp_path):
    backend = RunningBackend(tmp_path)
    try:
        said = change(backend, tmp_path, "host = one", "host = two")
        assert "immutable" in said
        (conductor,) = backend.http("GET", "/v1/conductors").json["conductors"]
        assert conductor["hostname"] == "one"
    finally:
        assert backend.stop() == 0
