# SPDX-License-Identifier: Apache-2.0
"""Virtual machines of a host, by its program virsh.

No text of a node is a part of a command, but libvirt's address, which
``driver_info`` allows few forms of: a machine is looked for in the list of
all, and named by its uuid from then on. So a name can't be taken for an
option, nor for the number of another machine that runs (virsh would do that).

Each command has a deadline on the host itself, so that none is left there
when the session is lost. What went wrong is told by exit codes and by which
command failed, never by what a program wrote; that is only passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from baremetal_backend.drivers.base import POWER_OFF, POWER_ON
from baremetal_backend.drivers.ssh.errors import (
    LibvirtUnavailable,
    ProtocolViolation,
    Refused,
    ToolMissing,
    Unfinished,
    UnknownMachine,
)
from baremetal_backend.drivers.ssh.ports import Ended, Session

# Exit codes of timeout(1), and of shells and env(1) for a program that is
# not there or can't be run.
_TIMED_OUT = (124, 137)
_MISSING = (126, 127)

_PROGRAM = "virsh"

# Seconds after which a command is killed that does not end when it is told.
_KILL_AFTER = 2

#: virsh's words for the states of a machine, in the language "C".
_STATES = {
    "running": POWER_ON,
    "idle": POWER_ON,
    "paused": POWER_ON,
    "in shutdown": POWER_ON,
    "pmsuspended": POWER_ON,
    # Its process may still be there, and is what "off" has to end.
    "crashed": POWER_ON,
    "shut off": POWER_OFF,
}

_UUID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)

# Longest part of a program's words that is passed on.
_LONGEST: Final = 300


class Hypervisor:
    """libvirt on a host. For one thread, like its session."""

    def __init__(
        self, session: Session, where: str, uri: str, seconds: float
    ) -> None:
        """``seconds``: for each command."""
        self._session = session
        self.where = where
        self._prefix = (
            "timeout",
            f"--kill-after={_KILL_AFTER}",
            f"{seconds:g}",
            "env",
            "LC_ALL=C",
            _PROGRAM,
            "--quiet",
            "--connect",
            uri,
        )

    def machine(self, wanted: str) -> Machine:
        """The machine of this name or uuid.

        Errors: LibvirtUnavailable, UnknownMachine, as ``run``.
        """
        ended = self.run("list", "--all", "--persistent", "--uuid", "--name")
        if ended.code:
            raise LibvirtUnavailable(self.where, "virsh list", said(ended))
        machines = list(_listed(ended.output))
        form = wanted.strip().lower()
        for uuid, name in machines:
            if uuid == form or (name == wanted and not _UUID.fullmatch(form)):
                return Machine(self, uuid, name)
        raise UnknownMachine(
            self.where,
            "virsh list",
            f"the host has no virtual machine {ascii(wanted)[:80]} (it has "
            f"{len(machines)} in all)",
        )

    def run(self, *words: str, stdin: bytes = b"") -> Ended:
        """Run virsh. Errors: ToolMissing, Unfinished, as ``Session.run``."""
        tried = f"virsh {words[0]}"
        ended = self._session.run(tried, (*self._prefix, *words), stdin)
        if ended.code in _MISSING:
            raise ToolMissing(
                self.where,
                tried,
                f"{said(ended)} (virsh, env and timeout have to be in the "
                "user's PATH)",
            )
        if ended.code in _TIMED_OUT:
            raise Unfinished(
                self.where, tried, "it did not end in time, and was killed"
            )
        return ended


class Machine:
    """A defined virtual machine. For one thread, like its session."""

    def __init__(
        self, hypervisor: Hypervisor, uuid: str, name: str = ""
    ) -> None:
        self._hypervisor = hypervisor
        self.uuid = uuid
        self.name = name

    @property
    def where(self) -> str:
        """For people: host and machine."""
        return f"{self._hypervisor.where}, {self.name or self.uuid}"

    def state(self) -> str:
        """``power on`` or ``power off``. Errors, here and below: SshError."""
        output = self._done("domstate", "--domain", self.uuid).output
        # A user's shell may greet before it runs the command.
        lines = output.decode(errors="replace").split("\n")
        word = next((one for one in reversed(lines) if one.strip()), "")
        try:
            return _STATES[word.strip()]
        except KeyError:
            raise ProtocolViolation(
                self.where,
                "virsh domstate",
                f"{ascii(word)[:80]} is no state of a machine",
            ) from None

    def start(self, afresh: bool) -> None:
        """Switch it on; ``afresh``: what was saved of it is not resumed.

        Errors: Refused, also when it is on.
        """
        more = ("--force-boot",) if afresh else ()
        self._done("start", "--domain", self.uuid, *more)

    def destroy(self) -> None:
        """Pull its plug. Errors: Refused, also when it is off."""
        self._done("destroy", "--domain", self.uuid)

    def reset(self) -> None:
        """Press its reset button. Errors: Refused, also when it is off."""
        self._done("reset", "--domain", self.uuid)

    def shut_down(self) -> None:
        """Press its power button. Errors: Refused, also when it is off."""
        self._done("shutdown", "--domain", self.uuid)

    def inject_nmi(self) -> None:
        """Interrupt it. Errors: Refused, also when it is off."""
        self._done("inject-nmi", "--domain", self.uuid)

    def definition(self) -> bytes:
        """What it is from its next start on, as XML, with its secrets."""
        output = self._done(
            "dumpxml", "--inactive", "--security-info", "--domain", self.uuid
        ).output
        begin = output.find(b"<domain")
        if begin < 0:
            raise ProtocolViolation(
                self.where, "virsh dumpxml", "what came is no domain"
            )
        return output[begin:]

    def define(self, definition: bytes) -> None:
        """Change what it is from its next start on."""
        self._done("define", "--file", "/dev/stdin", stdin=definition)

    def _done(self, *words: str, stdin: bytes = b"") -> Ended:
        ended = self._hypervisor.run(*words, stdin=stdin)
        if ended.code:
            raise Refused(self.where, f"virsh {words[0]}", said(ended))
        return ended


def _listed(output: bytes) -> Iterator[tuple[str, str]]:
    """(uuid, name) of each line that is one."""
    for line in output.decode(errors="replace").split("\n"):
        uuid, name = line[:36], line[36:].strip()
        if _UUID.fullmatch(uuid):
            yield uuid, name


def said(ended: Ended) -> str:
    """What the program wrote, on one line; else its exit code."""
    text = ended.errors.decode(errors="replace")
    shown = "".join(one if one.isprintable() else " " for one in text)
    words = " ".join(shown.split())
    if not words:
        return f"exit code {ended.code}"
    if len(words) > _LONGEST:
        return f"{words[:_LONGEST]}..."
    return words


__all__ = ["Hypervisor", "Machine", "said"]
