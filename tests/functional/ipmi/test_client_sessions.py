# SPDX-License-Identifier: Apache-2.0
"""What a process leaves at the controllers, and whom they agree with."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from baremetal_backend.drivers.ipmi.bmc import Bmc, Secret
from baremetal_backend.drivers.ipmi.command import (
    CHASSIS_STATUS,
    HARD_RESET,
    POWER_CYCLE,
    POWER_DOWN,
    POWER_UP,
    SOFT_SHUTDOWN,
    Command,
)
from baremetal_backend.drivers.ipmi.errors import IpmiError
from baremetal_backend.drivers.ipmi.native.client import IpmiClient
from lab.ipmi import witness
from lab.ipmi.farm import Farm
from lab.ipmi.pyghmi_bmc import PyghmiBmc
from lab.ipmi.scripted import ScriptedBmc
from lab.ipmi.target import Target
from lab.ports import LOOPBACK
from lab.processes import CHECKOUT
from lab.waiting import wait_for
from tests.functional.ipmi.asking import (
    Sweep,
    as_bmc,
    call,
    is_on,
    running_client,
)

ALL = 300
DEAD = 15

# Seconds for what takes a fraction of one, on a machine that is busy, too:
# less than the dead take to be given up.
PATIENCE = 3.0

# Opens a session to the port in its arguments, says so, and waits.
HOLDER = """
import sys, time
from lab.ipmi.target import Target
from tests.functional.ipmi.asking import is_on, running_client
with running_client() as client:
    is_on(client, Target(int(sys.argv[1])))
    print("open", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def silent_ports() -> Iterator[list[int]]:
    """Ports where datagrams arrive and nobody answers."""
    made = [
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(DEAD)
    ]
    for one in made:
        one.bind((LOOPBACK, 0))
    yield [one.getsockname()[1] for one in made]
    for one in made:
        one.close()


def test_with_fifteen_of_three_hundred_dead_the_live_are_known_at_once(
    tmp_path: Path, client: IpmiClient, silent_ports: list[int]
) -> None:
    with Farm(tmp_path, ALL - DEAD, cheap=True) as farm:
        live = [as_bmc(bmc.target) for bmc in farm]
        dead = [as_bmc(Target(port)) for port in silent_ports]
        sweep = Sweep(client, dead + live, 4.0)
        acting = [call(client, bmc, POWER_UP, 5) for bmc in live[1:60:3]]
        assert not [x for x in acting if isinstance(x.outcome, IpmiError)]
        assert max(one.seconds for one in acting) < PATIENCE
        answers = sweep.wait(8)
        for bmc in dead:
            outcome = answers[bmc].outcome
            assert isinstance(outcome, IpmiError)
            assert outcome.kind == "unreachable"
            assert 3.9 < answers[bmc].seconds < 6
        assert not [x for x in live if answers[x].seconds > PATIENCE]
        for bmc in live[1:60:3]:
            assert is_on(client, bmc)


def test_a_process_that_is_killed_holds_its_slot_until_it_times_out(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    scripted.script(max_sessions=1, session_timeout=3.0)
    bmc = as_bmc(scripted.target)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(scripted.port)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        holder.send_signal(signal.SIGKILL)
        killed = time.monotonic()
    ended = call(client, bmc, CHASSIS_STATUS, 0.8)
    assert isinstance(ended.outcome, IpmiError)
    assert ended.outcome.kind == "busy"
    time.sleep(max(0.0, killed + 3.2 - time.monotonic()))
    # A person who tries is not told to wait for the circuit.
    assert not is_on(client, bmc, 3)


def test_an_idle_session_is_closed_before_the_controller_forgets_it(
    scripted: ScriptedBmc,
) -> None:
    with running_client(session_idle_timeout=0.5) as client:
        assert not is_on(client, scripted.target)
        assert scripted.sessions == 1
        wait_for(lambda: scripted.sessions == 0, 3, "logout", every=0.1)
        assert not is_on(client, scripted.target)


def test_a_controller_that_is_forgotten_gets_its_session_back(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    bmc = as_bmc(scripted.target)
    assert not is_on(client, bmc)
    client.forget(bmc)
    wait_for(lambda: scripted.sessions == 0, 3, "logout", every=0.1)


def test_all_sessions_of_many_are_closed_at_the_end(tmp_path: Path) -> None:
    with ScriptedBmc(tmp_path / "a") as a, ScriptedBmc(tmp_path / "b") as b:
        with running_client() as client:
            for bmc in (a, b):
                is_on(client, bmc.target)
            # One that is gone doesn't hold up the end.
            b.stop()
            started = time.monotonic()
        assert time.monotonic() - started < 6
        b.cont()
        assert a.sessions == 0


@pytest.mark.parametrize("suites", [(17, 3), (3, 17), (3,)], ids=str)
def test_pyghmis_own_controller_is_spoken_to(
    client: IpmiClient, tmp_path: Path, suites: tuple[int, ...]
) -> None:
    # It answers suite 3 to whoever asks for 17; stock pyghmi never logs in.
    with PyghmiBmc(tmp_path) as its:
        bmc = as_bmc(its.target, cipher_suites=suites)
        assert not is_on(client, bmc, 5)
        for command in (
            POWER_UP,
            HARD_RESET,
            POWER_CYCLE,
            SOFT_SHUTDOWN,
            POWER_UP,
            POWER_DOWN,
        ):
            client.call(bmc, command, 5)
        assert not is_on(client, bmc, 5)
        assert its.journal == ["on", "reset", "cycle", "soft", "on", "off"]


def test_only_suite_17_is_enough(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    scripted.script(cipher_suites=[17])
    bmc = as_bmc(scripted.target)
    client.call(bmc, POWER_UP, 5)
    assert is_on(client, bmc)
    assert witness.is_on(scripted.target, cipher_suite=17)


def test_ipmitool_sees_what_the_client_did(
    farm: Farm, client: IpmiClient
) -> None:
    bmc = farm[2]
    steps: list[tuple[Command, bool]] = [
        (POWER_UP, True),
        (HARD_RESET, True),
        (SOFT_SHUTDOWN, False),
        (POWER_UP, True),
        (POWER_DOWN, False),
    ]
    for command, on in steps:
        client.call(as_bmc(bmc.target), command)
        assert is_on(client, bmc.target) == on
        assert witness.is_on(bmc.target) == bmc.is_on == on


def test_what_ipmitool_did_is_seen_by_the_client(
    farm: Farm, client: IpmiClient
) -> None:
    bmc = farm[2]
    for verb, on in (("on", True), ("off", False)):
        witness.ipmitool(bmc.target, "power", verb)
        assert is_on(client, bmc.target) == on


def test_two_users_of_one_controller_have_a_session_each(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    right = as_bmc(scripted.target)
    assert not is_on(client, right)
    wrong = Bmc(
        address=right.address,
        port=right.port,
        username=right.username,
        password=Secret(b"other"),
    )
    for _ in range(2):
        ended = call(client, wrong, CHASSIS_STATUS, 3)
        assert isinstance(ended.outcome, IpmiError)
        assert ended.outcome.kind == "bad_credentials"
        assert not is_on(client, right, 2)


def test_a_login_that_is_refused_leaves_no_slot_taken(
    client: IpmiClient, scripted: ScriptedBmc
) -> None:
    bmc = as_bmc(scripted.target)
    wrong = as_bmc(scripted.target, password=Secret(b"other"))
    for _ in range(6):
        call(client, wrong, CHASSIS_STATUS, 3)
    scripted.script(privilege=2, refuses_at_login=False)
    for _ in range(6):
        call(client, bmc, CHASSIS_STATUS, 3)
    scripted.script(privilege=4)
    assert not is_on(client, bmc, 3)
    wait_for(lambda: scripted.sessions == 1, 3, "free slots", every=0.1)
