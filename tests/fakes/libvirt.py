# SPDX-License-Identifier: Apache-2.0
"""A host of virtual machines in memory, for who sends it virsh's commands.

It keeps the semantics of the original that matter: a machine has a definition
for its next start and one that it was started with, a number while it runs
that is taken for its name, commands for a machine in the wrong state are
errors with exit code 1 and nothing else, and what was done stays done when
the session is lost before the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from baremetal_backend.drivers.ssh.errors import SshError, Unfinished
from baremetal_backend.drivers.ssh.ports import Ended, Host, Session

PREFIX = ("timeout", "--kill-after=2", "30", "env", "LC_ALL=C", "virsh")
URI = "qemu:///system"


def definition(*kinds: str, devices: str = "") -> bytes:
    boots = "".join(f'<boot dev="{kind}" />' for kind in kinds)
    return (
        f"<domain><name>n</name><os><type>hvm</type>{boots}</os>"
        f"<devices>{devices}</devices></domain>"
    ).encode()


@dataclass
class FakeMachine:
    name: str
    uuid: str
    defined: bytes = field(default_factory=lambda: definition("hd"))
    #: The definition that it was started with; None: it is off.
    running: bytes | None = None
    word: str = "running"
    starts: list[bytes] = field(default_factory=list)
    resets: int = 0
    interrupts: int = 0
    #: Looks at its state until a press of the power button has its effect;
    #: None: it has none.
    stops_after: int | None = 0
    pressed: bool = False


class FakeLibvirt:
    """Change its attributes to spoil it."""

    def __init__(self) -> None:
        self.machines: list[FakeMachine] = []
        self.hosts: list[Host] = []
        self.commands: list[str] = []
        #: What a session fails with, one by one; None: it doesn't.
        self.login_errors: list[SshError | None] = []
        #: virsh's word to the exit code it ends with, whatever it is about.
        self.codes: dict[str, int] = {}
        #: Called with each command before and after it has its effect.
        self.before: Callable[[str], None] = lambda command: None
        self.after: Callable[[str], None] = lambda command: None
        self.noise = b""

    def add(self, name: str, on: bool = False) -> FakeMachine:
        number = len(self.machines) + 1
        uuid = f"00000000-0000-4000-8000-{number:012d}"
        machine = FakeMachine(name, uuid)
        machine.running = machine.defined if on else None
        self.machines.append(machine)
        return machine

    @contextmanager
    def session(self, host: Host) -> Iterator[Session]:
        self.hosts.append(host)
        error = self.login_errors.pop(0) if self.login_errors else None
        if error is not None:
            raise error
        yield _FakeSession(self)


class _FakeSession:
    def __init__(self, libvirt: FakeLibvirt) -> None:
        self._libvirt = libvirt

    def run(
        self, tried: str, argv: Sequence[str], stdin: bytes = b""
    ) -> Ended:
        assert tuple(argv[:6]) == PREFIX, argv
        assert list(argv[6:9]) == ["--quiet", "--connect", URI], argv
        word, *rest = argv[9:]
        assert tried == f"virsh {word}"
        self._libvirt.before(word)
        code, output, errors = self._done(word, rest, stdin)
        self._libvirt.commands.append(word)
        self._libvirt.after(word)
        return Ended(code, output, errors)

    def _done(
        self, word: str, rest: list[str], stdin: bytes
    ) -> tuple[int, bytes, bytes]:
        libvirt = self._libvirt
        if word in libvirt.codes:
            return libvirt.codes[word], b"", f"error: no {word}\n".encode()
        if word == "list":
            lines = [f"{one.uuid} {one.name}\n" for one in libvirt.machines]
            return 0, libvirt.noise + "".join(lines).encode(), b""
        if word == "define":
            assert rest == ["--file", "/dev/stdin"]
            machine = self._named(re.search(rb"<name>(.*?)</name>", stdin))
            machine.defined = stdin
            return 0, b"Domain defined\n", b""
        uuid = rest[rest.index("--domain") + 1]
        [machine] = [one for one in libvirt.machines if one.uuid == uuid]
        return self._machine_done(word, machine)

    def _named(self, found: re.Match[bytes] | None) -> FakeMachine:
        # All have one name in their definitions: tests define one at a time.
        assert found is not None
        [machine] = self._libvirt.machines
        return machine

    def _machine_done(
        self, word: str, machine: FakeMachine
    ) -> tuple[int, bytes, bytes]:
        if word == "dumpxml":
            return 0, self._libvirt.noise + machine.defined, b""
        if word == "domstate":
            state = self._state(machine)
            return 0, self._libvirt.noise + f"{state}\n\n".encode(), b""
        is_on = machine.running is not None
        if is_on == (word == "start"):
            return 1, b"", b"error: Requested operation is not valid\n"
        if word == "start":
            machine.running = machine.defined
            machine.starts.append(machine.defined)
        elif word == "destroy":
            machine.running = None
        elif word == "shutdown":
            machine.pressed = True
        elif word == "reset":
            machine.resets += 1
        else:
            assert word == "inject-nmi"
            machine.interrupts += 1
        return 0, b"", b""

    def _state(self, machine: FakeMachine) -> str:
        if machine.pressed and machine.stops_after is not None:
            if machine.stops_after == 0:
                machine.running, machine.pressed = None, False
            else:
                machine.stops_after -= 1
        return "shut off" if machine.running is None else machine.word


def lost(word: str) -> Unfinished:
    """What a lost session is."""
    return Unfinished("h:22", f"virsh {word}", "the connection was lost")
