# SPDX-License-Identifier: Apache-2.0
"""Commands as a real shell gets them, and names that try to break out."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baremetal_backend.drivers.ssh.errors import Refused, UnknownMachine
from baremetal_backend.drivers.ssh.ports import Ended
from baremetal_backend.drivers.ssh.virsh import Hypervisor, Machine, said

UUID = "00000000-0000-4000-8000-000000000001"

# Stands for virsh, and says what it was given.
_VIRSH = """\
#!/bin/sh
printf '%s\\0' "$@" END >> told
case " $* " in *" list "*) cat names ;; esac
"""

END = "END"


class Shell:
    """A session that is a shell on this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.told = directory / "told"
        program = directory / "virsh"
        program.write_text(_VIRSH)
        program.chmod(0o755)

    def run(
        self, tried: str, argv: Sequence[str], stdin: bytes = b""
    ) -> Ended:
        done = subprocess.run(
            ["/bin/sh", "-c", shlex.join(argv)],
            check=False,
            input=stdin,
            capture_output=True,
            timeout=30,
            cwd=self.directory,
            env={"PATH": f"{self.directory}:/usr/bin:/bin"},
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def has(self, name: str) -> None:
        """There is one machine, of this name."""
        (self.directory / "names").write_text(f"{UUID} {name}\n")

    def words(self) -> list[list[str]]:
        """Those of each command since the last look."""
        told = self.told.read_bytes().decode()
        self.told.unlink()
        commands = told.removesuffix("\0").split(f"{END}\0")
        commands[-1] = commands[-1].removesuffix(END)
        return [one.removesuffix("\0").split("\0") for one in commands]


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    return Shell(tmp_path_factory.mktemp("shell"))


HOSTILE = [
    "x; touch escaped",
    "$(touch escaped)",
    "`touch escaped`",
    "x' ; touch escaped ; '",
    'x" ; touch escaped ; "',
    "x\\",
    "--help",
    "-c evil",
    "1",
    "*",
    "~",
    "a  b",
    "x && touch escaped",
    "x | touch escaped",
    "> escaped",
    "!!",
    "#",
    "Käse 🧀",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_looked_for(shell, name):
    shell.has(name)
    found = Hypervisor(shell, "h:22", "qemu:///system", 30).machine(name)
    found.destroy()
    assert found.uuid == UUID
    prefix = ["--quiet", "--connect", "qemu:///system"]
    assert shell.words() == [
        [*prefix, "list", "--all", "--persistent", "--uuid", "--name"],
        [*prefix, "destroy", "--domain", UUID],
    ]
    assert not (shell.directory / "escaped").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_no_machine_is_in_no_command(shell, name):
    shell.has("good")
    with pytest.raises(UnknownMachine) as caught:
        Hypervisor(shell, "h:22", "qemu:///system", 30).machine(name)
    [words] = shell.words()
    assert name not in " ".join(words[3:])
    assert "\n" not in caught.value.message
    assert not (shell.directory / "escaped").exists()


# A real shell for each of them.
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    word=st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        min_size=1,
    ).filter(lambda text: END not in text)
)
def test_whatever_is_in_a_word_it_arrives_as_one_word(
    shell: Shell, word: str
) -> None:
    # No text of a node gets here; if one ever did, it would still be quoted.
    Hypervisor(shell, "h:22", word, 30).run("version")
    assert shell.words() == [["--quiet", "--connect", word, "version"]]


def test_a_command_that_hangs_is_ended_on_the_host(shell):
    slow = Hypervisor(shell, "h:22", "qemu:///system", 0.2)
    argv = (*slow._prefix[:3], "sleep", "60")
    assert shell.run("sleep", argv).code == 124


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        (b"error: one\nerror: two\n", "error: one error: two"),
        (b"", "exit code 1"),
        (b"\x1b[31mred\x00\xff", " [31mred �".strip()),
        (b"x" * 500, "x" * 300 + "..."),
    ],
)
def test_what_a_program_says_is_passed_on_in_one_short_line(errors, shown):
    assert said(Ended(1, b"", errors)) == shown


def test_a_refusal_names_host_machine_and_command(shell):
    class Refusing:
        def run(self, tried, argv, stdin=b""):
            return Ended(1, b"", b"error: domain is not running\n")

    hypervisor = Hypervisor(Refusing(), "h:22", "qemu:///system", 30)
    with pytest.raises(Refused) as caught:
        Machine(hypervisor, UUID, "one").inject_nmi()
    assert caught.value.message == (
        "h:22, one: virsh inject-nmi failed: error: domain is not running."
    )
    assert caught.value.kind == "refused"
