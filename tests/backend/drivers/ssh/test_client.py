# SPDX-License-Identifier: Apache-2.0
"""Sessions with hosts that are slow, rude, or not what they seem."""

from __future__ import annotations

import dataclasses
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko
import pytest

from baremetal_backend.conf.ssh import SshSettings
from baremetal_backend.drivers.ssh.client import SshClient
from baremetal_backend.drivers.ssh.errors import (
    AccessDenied,
    HostKeyRefused,
    ProtocolViolation,
    SshError,
    Unfinished,
    Unreachable,
)
from baremetal_backend.drivers.ssh.ports import Ended, Host
from tests.backend.drivers.ssh.conftest import SETTINGS
from tests.backend.drivers.ssh.scripted_host import (
    LOOPBACK,
    PASSWORD,
    USER,
    ScriptedHost,
    echoes,
    ends,
)

# Scaled: what takes 10 s and 35 s takes 1.5 s here.
QUICK = 1.5


@pytest.fixture
def server() -> Iterator[ScriptedHost]:
    found = ScriptedHost()
    yield found
    found.close()


class Bench:
    """A client, and the options that it has."""

    def __init__(self, server: ScriptedHost, known_hosts: Path) -> None:
        self.server = server
        self.known_hosts = known_hosts
        self.client = self.made()

    def made(self, **options: Any) -> SshClient:
        given: dict[str, Any] = {
            "connect_timeout": QUICK,
            "command_timeout": 1.0,
            "known_hosts": str(self.known_hosts),
        }
        ssh = SshSettings(**given | options)
        self.client = SshClient(dataclasses.replace(SETTINGS, ssh=ssh))
        self.client.start()
        return self.client

    def host(self, **values: Any) -> Host:
        key = self.server.key
        given: dict[str, Any] = {
            "address": LOOPBACK,
            "port": self.server.port,
            "username": USER,
            "password": PASSWORD,
            "host_key": (key.get_name(), key.asbytes()),
        }
        return Host(**given | values)

    def run(self, *argv: str, stdin: bytes = b"", **values: Any) -> Ended:
        with self.client.session(self.host(**values)) as session:
            return session.run("a command", argv or ("x",), stdin)

    def failed(self, kind: type[SshError], **values: Any) -> str:
        """What it says; it says it in time."""
        began = time.monotonic()
        with pytest.raises(SshError) as caught:
            self.run(**values)
        assert time.monotonic() - began < 4 * QUICK
        assert type(caught.value) is kind, caught.value
        assert PASSWORD not in str(caught.value)
        return str(caught.value.message)


@pytest.fixture
def bench(server, tmp_path, monkeypatch) -> Iterator[Bench]:
    monkeypatch.setattr("baremetal_backend.drivers.ssh.client._GRACE", 0.5)
    found = Bench(server, tmp_path / "known_hosts")
    yield found
    found.client.stop()


def ours() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith("baremetal-ssh")
    ]


def until_none_is_left() -> bool:
    end = time.monotonic() + 10
    while ours() and time.monotonic() < end:
        time.sleep(0.02)
    return not ours()


# -- what works ---------------------------------------------------------------


def test_a_command_gets_its_words_and_its_input(bench, server):
    server.act = echoes
    ended = bench.run("a b", "$(c)", stdin=b"in\x00put")
    assert ended == Ended(0, b"'a b' '$(c)'\nin\x00put", b"")


def test_output_errors_and_exit_code_are_kept_apart(bench, server):
    server.act = ends(3, b"out", b"err")
    assert bench.run() == Ended(3, b"out", b"err")


def test_more_output_than_fits_into_a_window_arrives(bench, server):
    size = 3 * 1024 * 1024
    server.act = ends(0, b"x" * size)
    bench.made(command_timeout=30)
    assert len(bench.run().output) == size


def test_a_definition_of_some_size_arrives(bench, server):
    server.act = echoes
    bench.made(command_timeout=30)
    text = b"<x/>" * 50_000
    assert bench.run(stdin=text).output == b"x\n" + text


def test_a_host_that_asks_for_the_password_gets_it(bench, server):
    server.takes_questions, server.takes_password = True, False
    server.act = ends(0)
    assert bench.run().code == 0


def test_nothing_is_left_after_a_session(bench):
    bench.run()
    assert until_none_is_left()


def test_threads_have_names(bench, server):
    seen = []

    def look(command: str, channel: Any) -> None:
        seen.extend(ours())
        ends(0)(command, channel)

    server.act = look
    bench.run()
    assert f"baremetal-ssh-{LOOPBACK}:{server.port}" in seen


# -- who is there -------------------------------------------------------------


def test_a_key_that_nobody_gave_is_refused_and_shown(bench, server):
    said = bench.failed(HostKeyRefused, host_key=None)
    assert server.key.fingerprint in said
    assert "driver_info ssh_host_key or into [ssh]known_hosts" in said


def test_no_password_is_sent_to_a_host_with_another_key(bench, server):
    asked = []
    server.check_auth_password = lambda *given: asked.append(given)
    other = paramiko.ECDSAKey.generate()
    said = bench.failed(
        HostKeyRefused, host_key=(other.get_name(), other.asbytes())
    )
    assert "another key" in said
    assert server.key.fingerprint in said
    assert asked == []


def known_hosts_line(server: ScriptedHost, name: str) -> str:
    return f"{name} {server.key.get_name()} {server.key.get_base64()}\n"


def test_a_key_in_known_hosts_will_do(bench, server):
    bench.known_hosts.write_text(
        "# a comment\n\nrubbish\n"
        + known_hosts_line(server, f"other,[{LOOPBACK}]:{server.port}")
    )
    assert bench.run(host_key=None).code == 0


def test_a_hashed_name_in_known_hosts_will_do(bench, server):
    name = paramiko.HostKeys.hash_host(f"[{LOOPBACK}]:{server.port}")
    bench.known_hosts.write_text(known_hosts_line(server, name))
    assert bench.run(host_key=None).code == 0


def test_the_same_host_on_another_port_is_another_host(bench, server):
    bench.known_hosts.write_text(known_hosts_line(server, LOOPBACK))
    bench.failed(HostKeyRefused, host_key=None)


def test_the_nodes_own_key_comes_before_known_hosts(bench, server):
    bench.known_hosts.write_text(
        known_hosts_line(server, f"[{LOOPBACK}]:{server.port}")
    )
    other = paramiko.ECDSAKey.generate()
    given = (other.get_name(), other.asbytes())
    bench.failed(HostKeyRefused, host_key=given)


def test_known_hosts_that_cannot_be_read_let_nobody_in(bench):
    bench.known_hosts.mkdir()
    bench.made(host_key_policy="accept")
    said = bench.failed(HostKeyRefused, host_key=None)
    assert f"can't read {bench.known_hosts}" in said


def test_the_policy_accepts_unknown_keys_and_no_changed_ones(bench, server):
    bench.made(host_key_policy="accept")
    assert bench.run(host_key=None).code == 0
    other = paramiko.ECDSAKey.generate()
    bench.known_hosts.write_text(
        f"[{LOOPBACK}]:{server.port} {other.get_name()} {other.get_base64()}\n"
    )
    bench.failed(HostKeyRefused, host_key=None)


# -- who is let in ------------------------------------------------------------


def test_a_wrong_password_is_an_error_of_access(bench):
    said = bench.failed(AccessDenied, password="wrong")
    assert said == (
        f"{LOOPBACK}:{bench.server.port}: login as 'stack' failed: the host "
        "refused the user, or the password or key."
    )


def test_a_host_that_wants_a_second_proof_is_an_error_of_access(bench, server):
    server.wants_more = True
    assert "a second proof" in bench.failed(AccessDenied)


# -- who does not answer ------------------------------------------------------


def test_a_port_where_nobody_listens_is_unreachable(bench, server):
    with socket.create_server((LOOPBACK, 0)) as probe:
        port = int(probe.getsockname()[1])
    said = bench.failed(Unreachable, port=port)
    assert said == f"{LOOPBACK}:{port}: connection failed: Connection refused."


def test_a_name_that_nobody_knows_is_unreachable(bench):
    bench.failed(Unreachable, address="x" * 70 + ".invalid")


def test_a_host_that_says_nothing_is_given_up_in_time(bench, server):
    server.instead = lambda connection: None
    assert "no answer within 2 s" in bench.failed(Unreachable)


def test_a_host_that_greets_and_says_no_more_is_given_up(bench, server):
    server.instead = lambda connection: connection.sendall(b"SSH-2.0-x\r\n")
    assert "no answer within 2 s" in bench.failed(Unreachable)


def test_a_host_that_hangs_at_the_login_is_given_up(bench, server):
    server.at_login = threading.Event()
    assert "no answer within 2 s" in bench.failed(Unreachable)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"\x00" * 5000,
        b"SSH-2.0-x\r\n" + b"\xff" * 5000,
    ],
)
def test_what_is_no_ssh_server_is_unreachable_or_rubbish(bench, server, said):
    def answer(connection: socket.socket) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    server.instead = answer
    with pytest.raises((Unreachable, ProtocolViolation)) as caught:
        bench.run()
    assert "\n" not in caught.value.message


def test_a_host_that_does_not_begin_a_command_is_given_up(bench, server):
    server.at_exec = threading.Event()
    said = bench.failed(Unfinished)
    assert "no answer within 2 s; it may have been carried out" in said


def test_a_command_that_never_ends_is_given_up(bench, server):
    server.act = lambda command, channel: time.sleep(4 * QUICK)
    assert "no answer within 2 s" in bench.failed(Unfinished)


def test_a_connection_that_is_cut_in_a_command_leaves_its_end_open(
    bench, server
):
    server.act = lambda command, channel: server.drop()
    said = bench.failed(Unfinished)
    assert "may have been carried out" in said


def test_a_command_whose_end_is_not_told_may_have_been_carried_out(
    bench, server
):
    server.act = lambda command, channel: channel.close()
    bench.failed(Unfinished)


def test_a_flood_is_cut_off(bench, server, monkeypatch):
    monkeypatch.setattr("baremetal_backend.drivers.ssh.client._MOST", 100_000)
    server.act = ends(0, b"x" * 1_000_000)
    assert "more than 100000 bytes" in bench.failed(ProtocolViolation)


def test_a_command_that_does_not_read_its_input_still_ends(bench, server):
    server.act = ends(127)
    assert bench.run(stdin=b"x" * 100_000).code == 127


# -- many ---------------------------------------------------------------------


def test_only_so_many_sessions_go_to_a_host_at_a_time(bench, server):
    bench.made(max_sessions=2, connect_timeout=30, command_timeout=30)

    def slow(command: str, channel: Any) -> None:
        time.sleep(0.2)
        ends(0)(command, channel)

    server.act = slow
    with ThreadPoolExecutor(6) as pool:
        codes = [one.code for one in pool.map(lambda _: bench.run(), range(6))]
    assert codes == [0] * 6
    assert server.open_most == 2


def test_whoever_waits_too_long_for_a_turn_is_told_so(bench, server):
    bench.made(max_sessions=1)
    with bench.client.session(bench.host()):
        said = bench.failed(Unreachable)
    assert "other sessions with it took longer" in said
    assert bench.run().code == 0


def test_stopping_ends_what_is_open(bench, server):
    began = threading.Event()

    def hang(command: str, channel: Any) -> None:
        began.set()
        time.sleep(QUICK)

    server.act = hang
    bench.made(command_timeout=30)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bench.run)
        assert began.wait(10)
        bench.client.stop()
        with pytest.raises(Unfinished):
            running.result(10)
    assert "the service stops" in bench.failed(Unreachable)


def test_no_log_line_holds_a_secret(bench, server, caplog):
    key = paramiko.RSAKey.generate(2048)
    with caplog.at_level(logging.DEBUG):
        bench.run()
        bench.failed(AccessDenied, password="wrong secret")
        out = io.StringIO()
        key.write_private_key(out)
        bench.failed(AccessDenied, password=None, key=out.getvalue())
    assert PASSWORD not in caplog.text
    assert "wrong secret" not in caplog.text
    lines = [one for one in out.getvalue().splitlines() if "KEY" not in one]
    assert not any(line in caplog.text for line in lines)
