# SPDX-License-Identifier: Apache-2.0
"""``driver_info`` of a virtual machine: from what people wrote to values.

Whatever won't do is refused with the field's name and with what would do; no
text shows a secret. Names are the ones that users of ``pxe_ssh`` know, but
for ``ssh_vm_name``: which machine is a node's was found by its MAC addresses
once, and drivers don't see ports here.

No I/O, but for a key file, which is read by the function given for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ssh import keys
from baremetal_backend.drivers.ssh.ports import SSH_PORT, Host

DEFAULT_URI: Final = "qemu:///system"

PROPERTIES: Mapping[str, str] = {
    "ssh_address": "IP address or host name of the host of the virtual "
    "machine. Required.",
    "ssh_port": f"TCP port of its SSH server. Default: {SSH_PORT}.",
    "ssh_username": "User to log in as, who may use libvirt. Required.",
    "ssh_password": "Password of the user. Exactly one of this, "
    "ssh_key_filename and ssh_key_contents is required.",
    "ssh_key_filename": "A file in the conductor's directory "
    "[ssh]key_directory with the user's private key.",
    "ssh_key_contents": "The user's private key.",
    "ssh_host_key": "The host's public key: a line of its "
    "/etc/ssh/ssh_host_*_key.pub. Default: those of [ssh]known_hosts.",
    "ssh_virt_type": "What runs the machine: virsh. Required.",
    "ssh_vm_name": "Name or uuid of the virtual machine. Required.",
    "ssh_libvirt_uri": "Address of libvirt on the host. Default: "
    f"{DEFAULT_URI}.",
}

_VIRT_TYPES = ("virsh",)

# Of the address, the part after "?" may say more: also which program is run
# to reach libvirt. Only these forms stay on the host and run nothing.
_URI = re.compile(
    r"qemu(\+unix)?:///(system|session)(\?socket=/[A-Za-z0-9_./-]{1,200})?"
)

_HOST = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_]([A-Za-z0-9_.-]*)$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SECRETS = ("ssh_password", "ssh_key_filename", "ssh_key_contents")

#: Reads a key file. Errors: OSError, ValueError.
ReadFile = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Access:
    """A virtual machine, and how it is reached."""

    host: Host
    #: Name or uuid.
    machine: str
    uri: str = DEFAULT_URI


def read(info: Mapping[str, Any], read_file: ReadFile) -> Access:
    """Check each field, and that exactly one secret is given.

    Errors: HardwareRefused with the field's name and with what would do.
    """
    _check_virt_type(info)
    password, key = _secret(info, read_file)
    return Access(
        Host(
            address=_address(info),
            port=_port(info),
            username=_text(info, "ssh_username", "give the user to log in as"),
            password=password,
            key=key,
            host_key=_host_key(info),
        ),
        machine=_text(
            info, "ssh_vm_name", "give the virtual machine's name or uuid"
        ),
        uri=_uri(info),
    )


def _refused(field: str, why: str) -> HardwareRefused:
    return HardwareRefused(f"driver_info {field}: {why}.")


def _shown(value: object) -> str:
    """A wrong value in a sentence: short, and on one line."""
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _text(info: Mapping[str, Any], name: str, wanted: str) -> str:
    value = info.get(name)
    if value is None or value == "":
        raise _refused(name, f"is missing; {wanted}")
    if not isinstance(value, str):
        raise _refused(name, "is not a text; put it into quotes")
    if _CONTROL.search(value):
        raise _refused(name, "has a control character")
    return value


def _check_virt_type(info: Mapping[str, Any]) -> None:
    name = "ssh_virt_type"
    value = _text(info, name, f"choose one of: {', '.join(_VIRT_TYPES)}")
    if value not in _VIRT_TYPES:
        raise _refused(
            name,
            f"{_shown(value)} is not offered; choose one of: "
            f"{', '.join(_VIRT_TYPES)}",
        )


def _address(info: Mapping[str, Any]) -> str:
    name = "ssh_address"
    text = _text(info, name, "give the host's IP or host name").strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        # 10.0.0.256 is an address that was mistyped, not the name of a host.
        mistyped = text.replace(".", "").isdigit()
        if ":" in text or not _HOST.match(text) or mistyped:
            raise _refused(
                name,
                f"{_shown(text)} is neither an IP address nor a host name (a "
                "port goes to ssh_port)",
            ) from None
    return text


def _port(info: Mapping[str, Any]) -> int:
    value = info.get("ssh_port")
    if value is None:
        return SSH_PORT
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and re.fullmatch(
        r"\s*[0-9]{1,6}\s*", value, re.ASCII
    ):
        number = int(value)
    if not 1 <= number <= 65535:
        raise _refused(
            "ssh_port",
            f"{_shown(value)} is not a whole number from 1 to 65535",
        )
    return number


def _secret(
    info: Mapping[str, Any], read_file: ReadFile
) -> tuple[str | None, str | None]:
    """(password, private key): one of them."""
    given = [name for name in _SECRETS if info.get(name)]
    if not given:
        raise _refused(
            _SECRETS[0], f"is missing; give one of: {', '.join(_SECRETS)}"
        )
    if len(given) > 1:
        raise _refused(
            given[0],
            f"contradicts {' and '.join(given[1:])}; keep one of them",
        )
    [name] = given
    value = info[name]
    if not isinstance(value, str) or "\0" in value:
        raise _refused(name, "is not a text; put it into quotes")
    if name == "ssh_password":
        return value, None
    shown = name
    if name == "ssh_key_filename":
        shown = _shown(value)
        value = _read(name, value, read_file)
    try:
        keys.private_key(value)
    except ValueError as error:
        said = f"{shown} {error}" if shown != name else str(error)
        raise _refused(name, said) from None
    return None, value


def _read(name: str, path: str, read_file: ReadFile) -> str:
    try:
        return read_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _refused(name, f"can't read {_shown(path)}: {reason}") from None
    except ValueError as error:
        raise _refused(name, f"{_shown(path)} {error}") from None


def _host_key(info: Mapping[str, Any]) -> tuple[str, bytes] | None:
    name = "ssh_host_key"
    value = info.get(name)
    if value is None:
        return None
    try:
        return keys.host_key(value if isinstance(value, str) else "")
    except ValueError:
        raise _refused(
            name,
            f"{_shown(value)} is not a host's public key, such as "
            "ssh-ed25519 AAAA...",
        ) from None


def _uri(info: Mapping[str, Any]) -> str:
    name = "ssh_libvirt_uri"
    value = info.get(name)
    if value is None:
        return DEFAULT_URI
    if not isinstance(value, str) or not _URI.fullmatch(value):
        raise _refused(
            name,
            f"{_shown(value)} is not offered; write qemu:///system or "
            "qemu:///session, with ?socket=/PATH behind it where libvirt's "
            "socket is elsewhere",
        )
    return value


__all__ = ["DEFAULT_URI", "PROPERTIES", "Access", "ReadFile", "read"]
