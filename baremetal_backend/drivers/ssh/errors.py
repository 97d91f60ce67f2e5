# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a host and its virtual machines.

The tree::

    SshError
     +-- Unreachable         no session: it may come back, ask later
     |    +-- Unfinished     the command was begun, and its end is unknown
     +-- AccessDenied        user, password or key: a person changes something
     +-- HostKeyRefused      not the host's key, or nobody knows its key
     +-- ProtocolViolation   what came is no SSH, or makes no sense
     +-- ToolMissing         there is no virsh on the host
     +-- LibvirtUnavailable  virsh reaches no libvirt: it may come back
     +-- UnknownMachine      libvirt has no machine of that name
     +-- Refused             libvirt says no to a command: don't repeat it

All are errors of hardware to the conductor. No text holds a secret. The kinds
are those of management controllers, which metrics count.
"""

from __future__ import annotations

from typing import ClassVar

from baremetal_backend.core.errors import HardwareFailed


class SshError(HardwareFailed):
    """Root. ``detail`` goes on after the colon; it is never empty."""

    kind: ClassVar[str] = "refused"
    #: Whether the same command has a chance, without anybody's doing.
    retriable: ClassVar[bool] = False

    def __init__(self, where: str, tried: str, detail: str) -> None:
        super().__init__(f"{where}: {tried} failed: {detail.rstrip('.')}.")
        self.where = where
        self.tried = tried
        self.detail = detail


class Unreachable(SshError):
    """Nobody there, too late, or the connection was lost."""

    kind = "unreachable"
    retriable = True


class Unfinished(Unreachable):
    """The command may have been carried out: look what became of it."""


class AccessDenied(SshError):
    """The host doesn't let this user in."""

    kind = "bad_credentials"


class HostKeyRefused(SshError):
    """The host's key is another one than was given, or none was given."""

    kind = "bad_credentials"


class ProtocolViolation(SshError):
    """It answers, but not with what was asked for."""

    kind = "protocol_violation"


class ToolMissing(SshError):
    """The host's shell found no such program."""


class LibvirtUnavailable(SshError):
    """virsh is there, and could not list the machines."""

    kind = "unreachable"
    retriable = True


class UnknownMachine(SshError):
    """None of the machines has this name or uuid."""


class Refused(SshError):
    """The command ended with an error of libvirt's."""


__all__ = [
    "AccessDenied",
    "HostKeyRefused",
    "LibvirtUnavailable",
    "ProtocolViolation",
    "Refused",
    "SshError",
    "ToolMissing",
    "Unfinished",
    "UnknownMachine",
    "Unreachable",
]
