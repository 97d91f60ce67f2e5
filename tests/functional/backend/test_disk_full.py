# SPDX-License-Identifier: Apache-2.0
"""The service on a disk that is full: says so, keeps what it has, recovers.

The disk is a small tmpfs in a mount namespace of its own, which ends with the
process.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.backend.running import RunningBackend, until

SIZE = 1024 * 1024


class OnASmallDisk(RunningBackend):
    """``baremetal-backend`` with its files on a disk of one megabyte."""

    def __init__(self, directory: Path) -> None:
        disk = directory / "disk"
        disk.mkdir()
        # As root a mount namespace is enough; others become root in one.
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        mount = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
        super().__init__(
            directory,
            wrapper=[
                *("unshare", "--mount", *user),
                *("sh", "-c", mount, "sh", str(SIZE), str(disk)),
            ],
            DEFAULT={"state_path": str(disk)},
            database={"connection": f"sqlite:///{disk}/baremetal.sqlite"},
        )
        # The disk, seen from outside of the namespace.
        self.disk = Path(f"/proc/{self.process.pid}/root{disk}")

    @property
    def filler(self) -> Path:
        return self.disk / "filler"

    def fill(self) -> None:
        """Leave no byte."""
        with self.filler.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue


@pytest.fixture
def service(tmp_path):
    found = OnASmallDisk(tmp_path)
    yield found
    if found.process.poll() is None:
        found.stop()


def enrol(service, name, **values):
    body = {"driver": "fake-hardware", "name": name, **values}
    return service.http("POST", "/v1/nodes", body)


def names(service):
    answer = service.http("GET", "/v1/nodes")
    assert answer.status == 200
    return [node["name"] for node in answer.json["nodes"]]


def test_a_full_disk_refuses_writes_keeps_reads_and_loses_nothing(service):
    assert enrol(service, "before").status == 201
    service.fill()
    written, refused = ["before"], None
    for number in range(200):
        # SQLite may have a few pages left in its log.
        name = f"n{number}"
        answer = enrol(service, name, extra={"much": "x" * 2000})
        if answer.status != 201:
            refused = answer
            break
        written.append(name)
    assert refused is not None
    assert refused.status == 503
    assert "full" in refused.fault
    assert int(refused.headers["retry-after"]) > 0
    assert names(service) == written

    verb = {"target": "manage"}
    path = "/v1/nodes/before/states/provision"
    history = service.http("GET", "/v1/nodes/before/history").json
    answer = service.http("PUT", path, verb)
    if answer.status != 202:
        assert answer.status == 503
        node = service.http("GET", "/v1/nodes/before").json
        assert (node["provision_state"], node["reservation"]) == (
            "enroll",
            None,
        )
        assert service.http("GET", "/v1/nodes/before/history").json == history

    service.filler.unlink()

    def taken():
        return enrol(service, "after").status == 201

    until(taken, 20, "a write to be taken again")
    assert names(service) == [*written, "after"]

    def manageable():
        if service.http("PUT", path, verb).status not in (202, 400, 409):
            return False
        node = service.http("GET", "/v1/nodes/before").json
        return node["provision_state"] == "manageable"

    until(manageable, 30, "the node to be manageable")
    assert service.stop() == 0
