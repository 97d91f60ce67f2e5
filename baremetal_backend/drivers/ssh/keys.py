# SPDX-License-Identifier: Apache-2.0
"""Private keys, and which key a host has to have.

Only this file and ``client`` know paramiko; it is imported when a key is
looked at, since a site without such nodes doesn't need it.
"""

from __future__ import annotations

import base64
import binascii
import io
import itertools
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from baremetal_backend.drivers.ssh.ports import Host

if TYPE_CHECKING:
    import paramiko


def private_key(text: str) -> paramiko.PKey:
    """The key. Errors: ValueError that goes on after the key's name."""
    import paramiko

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.PasswordRequiredException:
            raise ValueError(
                "is protected by a passphrase; give a key without one"
            ) from None
        except Exception:  # noqa: S112 - each kind fails in its own ways
            continue
    found = _without_comment(text)
    if found is not None:
        return found
    raise ValueError(
        "is not a private key of the kinds ED25519, ECDSA and RSA; give all "
        "lines of its file, from BEGIN to END"
    )


def _without_comment(text: str) -> paramiko.PKey | None:
    """The key; None for other trouble.

    paramiko 5.1 takes the end of a key whose comment is empty for padding,
    and refuses it, unless there is some padding behind: every second time.
    """
    import paramiko

    try:
        found = serialization.load_ssh_private_key(text.encode(), None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None
    match found:
        case ec.EllipticCurvePrivateKey():
            return paramiko.ECDSAKey(vals=(found, found.public_key()))
        case rsa.RSAPrivateKey():
            return paramiko.RSAKey(key=found)
    return None


def host_key(line: str) -> tuple[str, bytes]:
    """(type, bytes) of ``TYPE BASE64``, with anything before or after.

    As in the host's file ``ssh_host_*_key.pub``, or as ssh-keyscan prints
    it. Errors: ValueError.
    """
    words = line.split()
    for kind, encoded in itertools.pairwise(words):
        try:
            found = base64.b64decode(encoded, validate=True)
            (size,) = struct.unpack_from(">I", found)
        except (binascii.Error, struct.error, ValueError):
            continue
        if kind and found[4 : 4 + size] == kind.encode():
            return kind, found
    raise ValueError("no key")


def known(file: str, host: Host) -> Sequence[tuple[str, bytes]]:
    """What a file says of the host's keys. Errors: OSError.

    There need not be such a file.
    """
    import paramiko

    try:
        found = paramiko.HostKeys(file).lookup(host.known_as)
    except FileNotFoundError:
        return ()
    if found is None:
        return ()
    return [(kind, key.asbytes()) for kind, key in found.items()]


def preferred(offered: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Algorithms for host keys, those for the given kinds of keys first.

    Else a host with several keys shows one that is not known.
    """

    def is_wanted(algorithm: str) -> bool:
        # An RSA key signs by other names than its own (RFC 8332).
        if "ssh-rsa" in kinds and algorithm.startswith("rsa-sha2-"):
            return True
        return algorithm in kinds

    return sorted(offered, key=lambda one: not is_wanted(one))


__all__ = ["host_key", "known", "preferred", "private_key"]
