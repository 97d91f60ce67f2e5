# SPDX-License-Identifier: Apache-2.0
"""The files that ``ipmi_sim`` reads, as text. Pure.

One process serves many controllers: each is a management controller at an
IPMB address of its own, with a LAN channel and so a UDP port of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.ipmi.target import Account

#: IPMB addresses; the first has to be the one of "the" controller.
ADDRESSES = (0x20, *range(0x01, 0x20), *range(0x21, 0xFF))
MOST = 250

_AUTHENTICATIONS = "none md2 md5 straight"
_LEVELS = ("callback", "user", "operator", "admin")
_PRIVILEGES = {"ADMINISTRATOR": "admin", "OPERATOR": "operator"}


@dataclass(frozen=True)
class Simulated:
    """What the files say about one controller.

    :param number: of the whole farm, from 0
    :param directory: of its power state; None: it is on while a child of
        ipmi_sim lives
    :param is_on: at the start; used where there is no directory
    :param serial_line: TCP port of what its console is connected to
    """

    number: int
    address: str
    port: int
    directory: Path | None
    is_on: bool
    serial_line: int | None = None


def lan_conf(
    bmcs: Sequence[Simulated], accounts: Sequence[Account], script: Path
) -> str:
    """The file for ``-c``."""
    lines = ['name "farm"']
    for place, bmc in zip(ADDRESSES, bmcs, strict=False):
        lines += [
            f"set_working_mc {place:#04x}",
            "startlan 1",
            f"addr {bmc.address} {bmc.port}",
            "priv_limit admin",
            *(f"allowed_auths_{one} {_AUTHENTICATIONS}" for one in _LEVELS),
            f"guid {bmc.number:032x}",
            "endlan",
            *_power(bmc, script),
        ]
        if bmc.serial_line:
            lines.append(f'sol "tcp:127.0.0.1:{bmc.serial_line}" 115200')
        lines += [
            f'user {number} true "{account.username}" "{account.password}" '
            f"{_PRIVILEGES.get(account.privilege, 'user')} 10"
            for number, account in enumerate(accounts, 2)
        ]
    return "\n".join(lines) + "\n"


def _power(bmc: Simulated, script: Path) -> list[str]:
    if bmc.directory is not None:
        return [f'chassis_control "{script} {bmc.directory}"']
    return [
        # Never connected, but without it the command is not looked at.
        f"serial 15 127.0.0.1 {bmc.port} codec VM",
        f'startcmd "{" ".join(standing_for(bmc.number))}"',
        f"startnow {str(bmc.is_on).lower()}",
    ]


def standing_for(number: int) -> tuple[str, ...]:
    """The command line of the child that is a running machine."""
    return ("sleep", "1000000000", str(number))


def emulation(count: int) -> str:
    """The file for ``-f``."""
    lines = [f"mc_setbmc {ADDRESSES[0]:#04x}"]
    for place in ADDRESSES[:count]:
        lines += [
            f"mc_add {place:#04x} 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 "
            "0xf02 persist_sdr",
            f"sel_enable {place:#04x} 1000 0x0a",
            f"mc_enable {place:#04x}",
        ]
    return "\n".join(lines) + "\n"


#: For ``chassis_control``: DIRECTORY get|set|check NAME [VALUE]...
#: Only what the shell has built in, since ipmi_sim answers nobody meanwhile.
#: Files in the directory: ``power`` is 0 or 1, ``boot`` a device, ``journal``
#: has a line for each thing that was carried out. Faults, each a file:
#: ``late`` (seconds until power is what it was set to), ``lie`` (what power
#: is reported to be), ``refuse`` and ``deaf`` (to a soft shutdown).
SCRIPT = """\
#!/bin/sh
cd "$1" || exit 1
verb=$2
shift 2

become() {
    if [ -e late ]; then
        read -r seconds < late
        (sleep "$seconds"; echo "$1" > power) </dev/null >/dev/null 2>&1 &
    else
        echo "$1" > power
    fi
}

get() {
    value=
    [ "$1" = power ] && [ -e lie ] && read -r value < lie
    [ -n "$value" ] || read -r value < "$1"
    echo "$1:$value"
}

case $verb in
get)
    for name; do get "$name"; done ;;
set)
    if [ -e refuse ]; then echo refused; exit 1; fi
    while [ $# -gt 0 ]; do
        echo "$1 $2" >> journal
        case $1 in
        power) become "$2" ;;
        shutdown) [ -e deaf ] || become 0 ;;
        boot) echo "$2" > boot ;;
        esac
        shift
        [ $# -eq 0 ] || shift
    done ;;
esac
exit 0
"""
