# SPDX-License-Identifier: Apache-2.0
"""SIGHUP on real nova-compute processes with native threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.cloud import Cloud
from lab.compute import Compute
from tests.functional.processes.conftest import HOSTS, wait_settled
from tests.functional.processes.log_reading import LogSince

RESET = "Reloading compute RPC API"
RELOADING = "SIGHUP: reloading the configuration files"


def test_a_changed_peer_list_is_applied_each_time(c1: Compute) -> None:
    pid = c1.process.pid
    for _ in range(3):
        log = LogSince(c1)
        c1.write_config(peer_list=[*HOSTS, "c9"])
        c1.sighup()
        log.wait("c9 is unknown to Nova")
        log.wait(RESET)
        log = LogSince(c1)
        c1.write_config(peer_list=HOSTS)
        c1.sighup()
        log.wait("Members of the ring: c1, c2, c3.")
        assert log.errors() == []

    assert c1.process.is_running
    assert c1.process.pid == pid


def test_changed_owners_follow_a_changed_configuration(
    settled: Cloud, nodes: list[str]
) -> None:
    (other,) = settled.backend.enrol(1, "rack-b")
    settled.compute("c3").write_config(
        peer_list=["c3"], partition_key="rack-b"
    )
    for host in ("c1", "c2"):
        settled.compute(host).write_config(peer_list=["c1", "c2"])

    for host in HOSTS:
        settled.compute(host).sighup()

    wait_settled(settled, nodes, ["c1", "c2"])
    wait_settled(settled, [other], ["c3"])


def test_many_signals_in_a_row_do_no_harm(c1: Compute) -> None:
    log = LogSince(c1)

    for _ in range(20):
        c1.sighup()

    log.wait(RESET)
    log.wait_for_sweeps(1)
    assert c1.process.is_running
    assert log.errors() == []


def write_text(text: str) -> Callable[[Compute], object]:
    return lambda compute: compute.write_text(text)


def append(text: str) -> Callable[[Compute], object]:
    return lambda compute: compute.write_text(compute.conf.read_text() + text)


def replace_by_directory(compute: Compute) -> None:
    # Root, who may run the tests, can read every file.
    compute.conf.unlink()
    compute.conf.mkdir()


#: What is done to the file of c1 -> what the one error says.
BAD: dict[str, tuple[Callable[[Compute], object], tuple[str, ...]]] = {
    "own host missing": (
        lambda compute: compute.write_config(peer_list=["c2", "c3"]),
        ("[ironic]peer_list", "Add c1"),
    ),
    "empty list": (
        lambda compute: compute.write_config(peer_list=[]),
        ("[ironic]peer_list", "is empty", "List the hosts"),
    ),
    "malformed key": (
        lambda compute: compute.write_config(partition_key="rack a!"),
        ("partition_key", "rack a!"),
    ),
    "malformed number": (
        append("[ironic_partition]\nring_points = many\n"),
        ("ring_points",),
    ),
    "syntax error": (
        write_text("[ironic\npeer_list = c1\n"),
        ("c1.conf", "Make the file readable and correct"),
    ),
    "not text": (
        lambda compute: compute.conf.write_bytes(b"\xff\xfe\x00[ironic]\n"),
        ("Make the file readable and correct",),
    ),
    "file deleted": (
        lambda compute: compute.conf.unlink(),
        ("c1.conf", "Make the file readable and correct"),
    ),
    "a directory in place of the file": (
        replace_by_directory,
        ("c1.conf", "Make the file readable and correct"),
    ),
}


@pytest.mark.parametrize(("spoil", "said"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_one_error_and_changes_nothing(
    settled: Cloud,
    c1: Compute,
    spoil: Callable[[Compute], object],
    said: tuple[str, ...],
) -> None:
    before = settled.owners()
    good = c1.conf.read_text()
    partition = c1.partition
    log = LogSince(c1)
    spoil(c1)

    c1.sighup()
    log.wait(RELOADING)
    log.wait_for_sweeps(2)

    (error,) = log.errors()
    for text in said:
        assert text in error
    assert "Traceback" not in log.text
    assert c1.process.is_running
    assert settled.owners() == before

    if c1.conf.is_dir():
        c1.conf.rmdir()
    c1.partition = partition
    c1.write_text(good)
    log = LogSince(c1)
    c1.sighup()
    log.wait(RESET)
    assert log.errors() == []


def test_novas_own_options_and_reset_are_reloaded_as_well(
    c1: Compute,
) -> None:
    good = c1.conf.read_text()
    log = LogSince(c1)
    assert " DEBUG " not in log.text

    c1.write_text(good.replace("[DEFAULT]\n", "[DEFAULT]\ndebug = true\n"))
    c1.sighup()
    log.wait(RESET)
    log.wait(" DEBUG nova")

    c1.write_text(good)
    c1.sighup()
    log.wait(RESET, times=2)
    quiet = LogSince(c1)
    quiet.wait_for_sweeps(2)
    assert " DEBUG nova" not in quiet.text


def test_nova_says_nothing_of_an_immutable_peer_list(c1: Compute) -> None:
    log = LogSince(c1)
    c1.write_config(peer_list=[*HOSTS, "c9"])

    c1.sighup()
    log.wait(RESET)

    assert "immutable" not in log.text


def test_a_service_that_was_reloaded_still_stops_gracefully(
    c1: Compute,
) -> None:
    log = LogSince(c1)
    for times in range(1, 4):
        c1.sighup()
        log.wait(RESET, times)

    c1.terminate()

    assert c1.process.wait_ended(60) == 0
    assert "nova-compute service graceful shutdown finished" in log.text


def test_a_service_that_was_never_reloaded_stops_gracefully(
    c1: Compute,
) -> None:
    c1.terminate()
    c1.process.wait_ended(60)
    c1.start()
    c1.wait_ready()
    log = LogSince(c1)

    c1.terminate()

    assert c1.process.wait_ended(60) == 0
    assert "nova-compute service graceful shutdown finished" in log.text


def test_the_free_nodes_of_a_killed_service_get_new_owners(
    settled: Cloud, nodes: list[str]
) -> None:
    settled.compute("c3").kill()

    wait_settled(settled, nodes, ["c1", "c2"])

    settled.compute("c3").start()
    settled.compute("c3").wait_ready()
    wait_settled(settled, nodes, HOSTS)


def test_a_reload_while_the_bare_metal_service_is_down_is_kept_for_later(
    settled: Cloud, c1: Compute, nodes: list[str]
) -> None:
    before = settled.owners()
    log = LogSince(c1)
    settled.backend.process.stop()
    c1.write_config(peer_list=[*HOSTS, "c9"])

    c1.sighup()
    log.wait("The partition's configuration changed")
    log.wait(RESET)
    assert any("the nodes stay as they were" in e for e in log.errors())
    assert c1.process.is_running
    settled.backend.process.start()
    settled.backend.process.wait_ready()
    log.wait("c9 is unknown to Nova")

    assert settled.owners() == before
