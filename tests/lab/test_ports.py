# SPDX-License-Identifier: Apache-2.0
"""Two processes of a lab never get one port, nor does one get it twice."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from lab import ports
from lab.processes import CHECKOUT

MANY = (
    "from lab.ports import free_port;"
    "print(*(free_port() for _ in range(400)), flush=True); input()"
)


def test_processes_at_the_same_time_get_different_ports() -> None:
    others = [
        subprocess.Popen(
            [sys.executable, "-c", MANY],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    given: list[int] = []
    for other in others:
        assert other.stdout
        given += map(int, other.stdout.readline().split())
    given += [ports.free_port() for _ in range(400)]
    for other in others:
        other.communicate("\n", timeout=20)
    assert len(set(given)) == len(given) == 1600
    assert all(ports.LOWEST <= port < ports.HIGHEST for port in given)


def test_a_port_that_somebody_uses_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as used:
            used.bind((ports.LOOPBACK, ports.free_port()))
            taken = used.getsockname()[1]
            # The next in turn.
            monkeypatch.setattr(ports, "_mine", [taken])
            assert ports.free_port() != taken
