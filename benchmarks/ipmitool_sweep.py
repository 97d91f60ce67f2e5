# SPDX-License-Identifier: Apache-2.0
"""How it is done without us: a process of ipmitool for each question.

Eight at a time and with the flags that Ironic 39 gives them. The answers are
compared with what is true; writing them down is left out, in favour of the
tool.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.ipmi.target import Target

WORKERS = 8

# Ironic gives up on a command after a minute.
_LONGEST = 60.0


@dataclass(frozen=True)
class Sweep:
    """All controllers were asked once."""

    wall: float
    #: Of whoever asks; the controllers' own is not in it.
    cpu: float
    errors: int
    wrong: int


def sweep(targets: Sequence[Target], truth: Sequence[bool]) -> Sweep:
    """Ask all of them; they have one password.

    :param truth: whether each is on
    """
    (password,) = {target.password for target in targets}
    with (
        tempfile.TemporaryDirectory() as directory,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        secret = Path(directory) / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        began, cpu = time.monotonic(), _cpu_seconds()
        states = list(pool.map(lambda one: _ask(one, secret), targets))
        wall, cpu = time.monotonic() - began, _cpu_seconds() - cpu
    return Sweep(
        wall,
        cpu,
        errors=states.count(None),
        wrong=sum(
            state is not None and state != is_on
            for state, is_on in zip(states, truth, strict=True)
        ),
    )


def _ask(target: Target, secret: Path) -> bool | None:
    """Whether it is on; None without an answer."""
    try:
        done = subprocess.run(
            [
                *("ipmitool", "-I", "lanplus", "-H", target.address),
                *("-L", "ADMINISTRATOR", "-p", str(target.port)),
                *("-U", target.username, "-C", "3", "-R", "1", "-N", "5"),
                *("-f", str(secret), "power", "status"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        return None
    words = done.stdout.split()
    if done.returncode or words[-1:] not in (["on"], ["off"]):
        return None
    return words[-1] == "on"


def _cpu_seconds() -> float:
    """Of this process and of those that it started and saw end."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = os.times()
    return own.user + own.system + children.ru_utime + children.ru_stime
