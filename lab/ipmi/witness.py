# SPDX-License-Identifier: Apache-2.0
"""A second opinion: ``ipmitool``, which shares no code with the project."""

from __future__ import annotations

import subprocess

from lab.ipmi.target import Target

DEBIAN_PACKAGE = "ipmitool"


class IpmitoolFailed(Exception):
    """It ended with an error; its last words."""


def ipmitool(
    target: Target, *words: str, cipher_suite: int = 3, seconds: float = 20
) -> str:
    """Run a command, and return what it printed.

    :raises IpmitoolFailed: it ended with an error, or was too slow
    """
    argv = [
        "ipmitool",
        *("-I", "lanplus", "-C", str(cipher_suite)),
        *("-H", target.address, "-p", str(target.port)),
        *("-L", target.account.privilege),
        *("-U", target.username, "-E"),
        *("-R", "2", "-N", "1"),
        *words,
    ]
    try:
        done = subprocess.run(
            argv,
            env={"IPMI_PASSWORD": target.password, "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IpmitoolFailed(f"no end within {seconds:g} s") from error
    if done.returncode:
        raise IpmitoolFailed(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def is_on(target: Target, cipher_suite: int = 3) -> bool:
    """The power state, as ipmitool reads it.

    :raises IpmitoolFailed: as above
    """
    text = ipmitool(target, "power", "status", cipher_suite=cipher_suite)
    return text.strip() == "Chassis Power is on"
