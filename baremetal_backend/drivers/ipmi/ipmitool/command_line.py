# SPDX-License-Identifier: Apache-2.0
"""``ipmitool``'s arguments, and what its last words mean. Pure.

Every command goes out as ``raw`` bytes: the answer is bytes as well, and the
only text that has to be understood is why a login failed. No argument is a
secret: password and key travel by a file descriptor and the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from baremetal_backend.conf.ipmi import IpmiSettings
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ipmi import driver_info
from baremetal_backend.drivers.ipmi.bmc import Bmc
from baremetal_backend.drivers.ipmi.command import Command, Response
from baremetal_backend.drivers.ipmi.driver_info import (
    Access,
    DriverInfo,
    ReadFile,
)
from baremetal_backend.drivers.ipmi.errors import (
    BadCredentials,
    Busy,
    IpmiError,
    ProtocolViolation,
    Refused,
    Unanswered,
    Unreachable,
)

PROGRAM: Final = "ipmitool"

_NO_ANSWER: Final = "ipmitool got no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBmc(Bmc):
    """A BMC with what only the tool can do."""

    #: ``lanplus`` (IPMI 2.0) or ``lan`` (1.5).
    interface: str = "lanplus"
    #: Arguments for the controller behind the BMC.
    bridging: tuple[str, ...] = ()


def access(
    info: Mapping[str, Any], settings: IpmiSettings, read_file: ReadFile
) -> Access:
    """What the tool needs. Errors: HardwareRefused."""
    found = driver_info.read(info, settings, read_file)
    suites = settings.cipher_suite_versions
    if found.cipher_suite is not None:
        suites = (found.cipher_suite,)
    if found.key is not None and b"\0" in found.key.value.rstrip(b"\0"):
        raise HardwareRefused(
            "driver_info ipmi_hex_kg_key: has a zero byte, with which "
            "ipmitool can't be given it in secret; choose the ipmi interfaces."
        )
    bmc = ToolBmc(
        address=found.address,
        port=found.port,
        username=found.username,
        password=found.password,
        privilege=found.privilege,
        cipher_suites=suites,
        key=found.key,
        interface="lanplus" if found.protocol == "2.0" else "lan",
        bridging=_bridging(found),
    )
    return Access(
        bmc,
        disable_boot_timeout=found.disable_boot_timeout,
        force_boot_device=found.force_boot_device,
        terminal_port=found.terminal_port,
    )


def _bridging(found: DriverInfo) -> tuple[str, ...]:
    flags = {
        "-m": found.local_address,
        "-B": found.transit_channel,
        "-T": found.transit_address,
        "-b": found.target_channel,
        "-t": found.target_address,
    }
    return tuple(
        word
        for flag, value in flags.items()
        if value is not None
        for word in (flag, f"{value:#x}")
    )


def arguments(
    bmc: Bmc, suite: int, command: Command, seconds: float, password: str
) -> list[str]:
    """The command line.

    ``password``: a file with it. A command that may be repeated is, each
    second; another is sent once.
    """
    interface = bmc.interface if isinstance(bmc, ToolBmc) else "lanplus"
    tries = max(1, int(seconds)) if command.repeatable else 1
    wait = 1 if command.repeatable else max(1, int(seconds))
    words = [PROGRAM, "-v", "-I", interface]
    words += ["-H", bmc.address, "-p", str(bmc.port)]
    words += ["-L", bmc.privilege.name]
    if interface == "lanplus":
        words += ["-C", str(suite)]
    if bmc.username:
        words += ["-U", bmc.username.decode()]
    if bmc.key is not None:
        words += ["-K"]
    words += ["-f", password, "-R", str(tries), "-N", str(wait)]
    if isinstance(bmc, ToolBmc):
        words += bmc.bridging
    data = (command.netfn, command.number, *command.data)
    return [*words, "raw", *(f"0x{one:02x}" for one in data)]


_CODE = re.compile(r"\brsp=0x([0-9a-fA-F]{2})\)(?:: ([ -~]{1,80}))?")
_BYTES = re.compile(r"(?:\s*[0-9a-f]{2})*\s*")
_NODE_BUSY = 0xC0
_PRIVILEGE = 0xD4

# The tool's words at a login that failed, by what they mean. It says them
# with -v only; whatever is not here is no answer.
_REASONS: tuple[tuple[str, type[IpmiError], str], ...] = (
    ("HMAC is invalid", BadCredentials, "the password is wrong"),
    ("unauthorized name", BadCredentials, "there is no such user"),
    ("unauthorized role", BadCredentials, "the privilege is not granted"),
    ("Invalid role", BadCredentials, "the privilege is not granted"),
    ("insufficient resources", Busy, "it has no free session"),
    ("Address lookup for", Unreachable, "the host name is unknown"),
)

#: What it says to a cipher suite that it does not speak.
_OTHER_SUITE = (
    "invalid authentication algorithm",
    "invalid integrity algorithm",
    "invalid confidentiality algorithm",
    "no matching authentication",
    "no cipher suite match",
)


def wants_other_suite(errors: str) -> bool:
    """Whether the login failed because of the cipher suite alone."""
    return any(text in errors.lower() for text in _OTHER_SUITE)


def answer(
    bmc: Bmc, command: Command, seconds: float, output: str
) -> Response | IpmiError:
    """What a run that succeeded printed."""
    if not _BYTES.fullmatch(output):
        return ProtocolViolation(
            bmc.where, command.name, seconds, "ipmitool printed no bytes"
        )
    return Response(bytes.fromhex(output))


def failure(
    bmc: Bmc, command: Command, seconds: float, errors: str
) -> IpmiError:
    """Why a run failed, from what it printed to its standard error.

    Nothing of that is shown but the words for a completion code: with ``-v``
    it has the command's bytes.
    """
    where, name = bmc.where, command.name
    if found := _CODE.search(errors):
        text = (found[2] or "refused").strip()
        return _refusal(bmc, name, seconds, int(found[1], 16), text)
    for words, kind, reason in _REASONS:
        if words.lower() in errors.lower():
            return kind(where, name, seconds, reason)
    if wants_other_suite(errors):
        suites = ", ".join(str(one) for one in bmc.cipher_suites)
        return BadCredentials(
            where, name, seconds, f"it speaks none of the suites {suites}"
        )
    if "Unable to establish" in errors:
        # The command itself was never sent.
        return Unreachable(where, name, seconds, _NO_ANSWER)
    return unanswered(bmc, command, seconds)


def _refusal(
    bmc: Bmc, name: str, seconds: float, code: int, text: str
) -> IpmiError:
    if code == _NODE_BUSY:
        return Busy(bmc.where, name, seconds, "it has no time (0xc0)")
    if code == _PRIVILEGE:
        reason = f"{bmc.privilege.name} is not enough for it (0xd4)"
        return BadCredentials(bmc.where, name, seconds, reason)
    return Refused(bmc.where, name, seconds, text, code)


def unanswered(bmc: Bmc, command: Command, seconds: float) -> IpmiError:
    """No answer came to what may have been carried out, or not."""
    kind = Unreachable if command.repeatable else Unanswered
    return kind(bmc.where, command.name, seconds, _NO_ANSWER)


__all__ = [
    "PROGRAM",
    "ToolBmc",
    "access",
    "answer",
    "arguments",
    "failure",
    "unanswered",
    "wants_other_suite",
]
