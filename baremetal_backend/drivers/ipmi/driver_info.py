# SPDX-License-Identifier: Apache-2.0
"""``driver_info`` of a node with a BMC: from what people wrote to values.

``read`` checks every field by itself, ``native`` and ``tool`` whether what
they say together can be done by this program or by ipmitool. Whatever won't
do is refused with the field's name and with what would do; no text shows a
secret. Names and defaults are the ones that Ironic's users know.

No I/O, but for a password file, which is read by the function given for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from baremetal_backend.conf.ipmi import CIPHER_SUITES, IpmiSettings
from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ipmi.bmc import (
    RMCP_PORT,
    Bmc,
    Bridge,
    Privilege,
    Secret,
)

PROPERTIES: Mapping[str, str] = {
    "ipmi_address": "IP address or host name of the BMC. Required.",
    "ipmi_port": f"UDP port of the BMC. Default: {RMCP_PORT}.",
    "ipmi_username": "User name, at most 16 bytes. Default: the null user.",
    "ipmi_password": "Password, at most 20 bytes. Default: none.",
    "ipmi_password_file": "Instead of ipmi_password: a file in the "
    "conductor's directory [ipmi]password_directory whose first line is the "
    "password.",
    "ipmi_priv_level": "Privilege to ask for: ADMINISTRATOR (default), "
    "OPERATOR, USER or CALLBACK. Power control needs OPERATOR.",
    "ipmi_cipher_suite": "Cipher suite to log in with. Default: those of "
    "[ipmi]cipher_suite_versions, in order.",
    "ipmi_protocol_version": '"2.0" (default), or "1.5", which only the '
    "ipmitool interfaces speak.",
    "ipmi_hex_kg_key": "Kg key of a BMC with two-key logins: 40 hexadecimal "
    "digits.",
    "ipmi_bridging": '"no" (default), "single", or "dual", which only the '
    "ipmitool interfaces can do.",
    "ipmi_target_channel": "Channel of a bridged BMC. Bridging needs it.",
    "ipmi_target_address": "Address of a bridged BMC, such as 0x82. Bridging "
    "needs it.",
    "ipmi_transit_channel": "Channel in between. Dual bridging needs it.",
    "ipmi_transit_address": "Address in between. Dual bridging needs it.",
    "ipmi_local_address": "Our address on the bus of a bridged BMC. Only the "
    "ipmitool interfaces use it.",
    "ipmi_terminal_port": "TCP port on the conductor for the node's console. "
    "Default: a free one of [console]port_range.",
    "ipmi_force_boot_device": "Set the persistent boot device again each time "
    "the node is switched on. Default: false.",
    "ipmi_disable_boot_timeout": "Tell the BMC to keep a boot device longer "
    "than 60 s. Default: [ipmi]disable_boot_timeout.",
}

#: Bytes that IPMI 2.0 has room for (section 13.20 and 22.30).
_LONGEST_USERNAME: Final = 16
_LONGEST_PASSWORD: Final = 20

_HOST = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_.-]*)$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Reads a password file: its first line. Errors: OSError, ValueError.
ReadFile = Callable[[str], bytes]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """Every field, checked by itself; None where nothing was said."""

    address: str
    port: int
    username: bytes
    password: Secret
    privilege: Privilege
    cipher_suite: int | None
    protocol: str
    key: Secret | None
    bridging: str
    target_channel: int | None
    target_address: int | None
    transit_channel: int | None
    transit_address: int | None
    local_address: int | None
    terminal_port: int | None
    force_boot_device: bool
    disable_boot_timeout: bool


@dataclass(frozen=True, slots=True)
class Access:
    """How this program itself speaks with a node's BMC."""

    bmc: Bmc
    bridge: Bridge | None = None
    disable_boot_timeout: bool = True
    force_boot_device: bool = False
    terminal_port: int | None = None


def native(
    info: Mapping[str, Any], settings: IpmiSettings, read_file: ReadFile
) -> Access:
    """What the native interfaces need. Errors: HardwareRefused."""
    found = read(info, settings, read_file)
    if found.protocol != "2.0":
        raise _refused(
            "ipmi_protocol_version",
            f'{found.protocol} is not spoken natively; remove it for "2.0", '
            "or choose the ipmitool interfaces",
        )
    if found.bridging == "dual":
        raise _refused(
            "ipmi_bridging",
            "dual is not possible natively; choose the ipmitool interfaces",
        )
    if found.local_address is not None:
        raise _refused(
            "ipmi_local_address",
            "can't be set natively; remove it, or choose the ipmitool "
            "interfaces",
        )
    suites = settings.cipher_suite_versions
    if found.cipher_suite is not None:
        if found.cipher_suite not in CIPHER_SUITES:
            raise _refused(
                "ipmi_cipher_suite",
                f"{found.cipher_suite} is not spoken natively; choose 17 or "
                "3, or the ipmitool interfaces",
            )
        suites = (found.cipher_suite,)
    bridge = None
    if found.target_channel is not None and found.target_address is not None:
        bridge = Bridge(found.target_channel, found.target_address)
    return Access(
        Bmc(
            address=found.address,
            port=found.port,
            username=found.username,
            password=found.password,
            privilege=found.privilege,
            cipher_suites=suites,
            key=found.key,
        ),
        bridge=bridge,
        disable_boot_timeout=found.disable_boot_timeout,
        force_boot_device=found.force_boot_device,
        terminal_port=found.terminal_port,
    )


def read(
    info: Mapping[str, Any], settings: IpmiSettings, read_file: ReadFile
) -> DriverInfo:
    """Check each field, and that the bridging is whole.

    Errors: HardwareRefused with the field's name and with what would do.
    """
    found = DriverInfo(
        address=_address(info),
        port=_port(info, "ipmi_port") or RMCP_PORT,
        username=_bytes(info, "ipmi_username", _LONGEST_USERNAME),
        password=_password(info, read_file),
        privilege=_privilege(info),
        cipher_suite=_whole(info, "ipmi_cipher_suite", 0, 17),
        protocol=_choice(info, "ipmi_protocol_version", ("2.0", "1.5")),
        key=_key(info),
        bridging=_choice(info, "ipmi_bridging", ("no", "single", "dual")),
        target_channel=_whole(info, "ipmi_target_channel", 0, 0x0F),
        target_address=_whole(info, "ipmi_target_address", 0, 0xFF),
        transit_channel=_whole(info, "ipmi_transit_channel", 0, 0x0F),
        transit_address=_whole(info, "ipmi_transit_address", 0, 0xFF),
        local_address=_whole(info, "ipmi_local_address", 0, 0xFF),
        terminal_port=_port(info, "ipmi_terminal_port"),
        force_boot_device=_flag(info, "ipmi_force_boot_device", False),
        disable_boot_timeout=_flag(
            info, "ipmi_disable_boot_timeout", settings.disable_boot_timeout
        ),
    )
    _check_bridging(found)
    return found


_BRIDGING = (
    "target_channel",
    "target_address",
    "transit_channel",
    "transit_address",
)


def _check_bridging(found: DriverInfo) -> None:
    """Bridging and the addresses that are given say the same."""
    needed = {"no": 0, "single": 2, "dual": 4}[found.bridging]
    for number, name in enumerate(_BRIDGING):
        given = getattr(found, name) is not None
        if number < needed and not given:
            raise _refused(
                f"ipmi_{name}",
                f"is missing; ipmi_bridging {found.bridging} needs it",
            )
        if number >= needed and given:
            fits = "dual" if number >= 2 else "single"
            raise _refused(
                f"ipmi_{name}",
                f"contradicts ipmi_bridging {found.bridging}; remove it, or "
                f"set ipmi_bridging to {fits}",
            )
    if found.local_address is not None and found.bridging == "no":
        raise _refused(
            "ipmi_local_address",
            "contradicts ipmi_bridging no; remove it, or set ipmi_bridging "
            "to single or dual",
        )


def _refused(field: str, why: str) -> HardwareRefused:
    return HardwareRefused(f"driver_info {field}: {why}.")


def _shown(value: object) -> str:
    """A wrong value in a sentence: short, and on one line."""
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _address(info: Mapping[str, Any]) -> str:
    name = "ipmi_address"
    value = info.get(name)
    if value is None or value == "":
        raise _refused(name, "is missing; give the BMC's IP or host name")
    if not isinstance(value, str):
        raise _refused(name, f"{_shown(value)} is not a text")
    text = value.strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        if ":" in text or not _HOST.match(text) or _looks_numeric(text):
            raise _refused(
                name,
                f"{_shown(value)} is neither an IP address nor a host name "
                "(a port goes to ipmi_port)",
            ) from None
    return text


def _looks_numeric(text: str) -> bool:
    # 10.0.0.256 is an address that was mistyped, not the name of a host.
    return text.replace(".", "").isdigit()


def _whole(
    info: Mapping[str, Any], name: str, least: int, most: int
) -> int | None:
    value = info.get(name)
    if value is None:
        return None
    number = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and re.fullmatch(
        r"\s*(0[xX][0-9a-fA-F]{1,4}|[0-9]{1,6})\s*", value, re.ASCII
    ):
        number = int(value, 16 if "x" in value.lower() else 10)
    if number is None or not least <= number <= most:
        raise _refused(
            name,
            f"{_shown(value)} is not a whole number from {least} to {most}",
        )
    return number


def _port(info: Mapping[str, Any], name: str) -> int | None:
    return _whole(info, name, 1, 65535)


def _bytes(info: Mapping[str, Any], name: str, longest: int) -> bytes:
    value = info.get(name)
    if value is None:
        return b""
    if not isinstance(value, str):
        raise _refused(name, "is not a text; put it into quotes")
    if _CONTROL.search(value):
        raise _refused(name, "has a control character")
    found = value.encode()
    if len(found) > longest:
        raise _refused(
            name,
            f"has {len(found)} bytes; IPMI 2.0 has room for {longest}",
        )
    return found


def _password(info: Mapping[str, Any], read_file: ReadFile) -> Secret:
    name = "ipmi_password_file"
    path = info.get(name)
    if path is None:
        return Secret(_bytes(info, "ipmi_password", _LONGEST_PASSWORD))
    if info.get("ipmi_password") is not None:
        raise _refused(name, "contradicts ipmi_password; remove one of them")
    if not isinstance(path, str) or not path or "\0" in path:
        raise _refused(name, "is not the path of a file")
    try:
        found = read_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _refused(name, f"can't read {_shown(path)}: {reason}") from None
    except ValueError as error:
        raise _refused(name, f"{_shown(path)} {error}") from None
    if len(found) > _LONGEST_PASSWORD:
        raise _refused(
            name,
            f"the first line of {_shown(path)} is longer than the "
            f"{_LONGEST_PASSWORD} bytes that IPMI 2.0 has room for",
        )
    return Secret(found)


def _privilege(info: Mapping[str, Any]) -> Privilege:
    name = "ipmi_priv_level"
    value = info.get(name, Privilege.ADMINISTRATOR.name)
    try:
        return Privilege[value.upper()]
    except (AttributeError, KeyError):
        known = ", ".join(level.name for level in reversed(Privilege))
        raise _refused(
            name, f"{_shown(value)} is unknown; choose one of: {known}"
        ) from None


def _choice(
    info: Mapping[str, Any], name: str, choices: tuple[str, ...]
) -> str:
    """One of the choices, in any spelling that JSON may bring it in."""
    value = info.get(name, choices[0])
    if value is False:
        value = "no"
    text = str(value).strip().lower()
    if text not in choices:
        raise _refused(
            name,
            f"{_shown(value)} is unknown; choose one of: {', '.join(choices)}",
        )
    return text


def _key(info: Mapping[str, Any]) -> Secret | None:
    name = "ipmi_hex_kg_key"
    value = info.get(name)
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    text = text[2:] if text[:2] in ("0x", "0X") else text
    if not re.fullmatch(r"[0-9a-fA-F]{40}", text):
        raise _refused(name, "is not made of 40 hexadecimal digits")
    return Secret(bytes.fromhex(text))


_FLAGS = {
    "true": True, "yes": True, "on": True, "1": True, "t": True,
    "false": False, "no": False, "off": False, "0": False, "f": False,
}  # fmt: skip


def _flag(info: Mapping[str, Any], name: str, default: bool) -> bool:
    value = info.get(name, default)
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise _refused(name, f"{_shown(value)} is neither true nor false")
    return found


__all__ = ["PROPERTIES", "Access", "DriverInfo", "ReadFile", "native", "read"]
