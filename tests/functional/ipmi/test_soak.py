# SPDX-License-Identifier: Apache-2.0
"""Nothing grows while controllers misbehave: the short forms.

``benchmarks/ipmi_soak.py`` runs for half an hour by hand.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

from baremetal_backend.drivers.ipmi.command import CHASSIS_STATUS
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from lab.ipmi.scripted import ScriptedBmc
from lab.processes import CHECKOUT
from tests.functional.ipmi.asking import as_bmc, call, running_client

SOAK = CHECKOUT / "benchmarks" / "ipmi_soak.py"
ROUNDS = 150


def test_a_service_stays_flat_while_controllers_misbehave(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, str(SOAK), "--minutes", "0.33", "--nodes", "16"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert re.search(r"^memory_mib( +[\d.]+){3}$", done.stdout, re.M)
    accepted = re.search(r"(\d+) requests answered with 202", done.stdout)
    assert accepted
    assert int(accepted[1]) > 20


def test_sessions_that_come_and_go_leave_nothing_behind(
    scripted: ScriptedBmc,
) -> None:
    right = as_bmc(scripted.target)
    nobody = as_bmc(scripted.target, username=b"nobody")
    scripted.script(max_sessions=63)

    def some(client: IpmiClient) -> None:
        for _ in range(ROUNDS):
            ended = call(client, right, CHASSIS_STATUS, 5)
            assert not isinstance(ended.outcome, IpmiError), ended.outcome
            ended = call(client, nobody, CHASSIS_STATUS, 5)
            assert isinstance(ended.outcome, IpmiError)

    # Each command has a session of its own.
    with running_client(session_idle_timeout=0.0) as client:
        tracemalloc.start()
        try:
            some(client)
            threads, sockets = threading.active_count(), _sockets()
            before = _memory()
            some(client)
            # What an earlier test of this process left may end meanwhile.
            assert threading.active_count() <= threads
            assert _sockets() <= sockets
            # Less than a session's keys for each round that was.
            assert _memory() - before < ROUNDS * 200
        finally:
            tracemalloc.stop()
    assert scripted.sessions == 0


def _sockets() -> int:
    found = 0
    for entry in os.scandir("/proc/self/fd"):
        try:
            found += os.readlink(entry.path).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def _memory() -> int:
    """Bytes that Python holds, after what is on its way has come to rest."""
    time.sleep(0.3)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
