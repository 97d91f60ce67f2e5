# SPDX-License-Identifier: Apache-2.0
"""Any number of ``ipmi_sim`` controllers, started and stopped together.

Debian package openipmi. They speak IPMI 2.0 with cipher suite 3 only.
Controllers answer when ``start`` returns. Nothing is left when ``stop``
returns, nor after the death of the process (see lab.processes).
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.ipmi import sim_files
from lab.ipmi.target import ACCOUNTS, Account, Target, silent
from lab.ports import LOOPBACK, free_port
from lab.processes import Crew, Process
from lab.waiting import wait_for

DEBIAN_PACKAGE = "openipmi"


def _every_third(number: int) -> bool:
    return number % 3 == 0


@dataclass(eq=False)
class SimulatedBmc:
    """One controller of a farm, and the truth about it.

    Its process may serve others, too: whatever is done to it is done to
    them. ``Farm(own_process=True)`` avoids that.
    """

    number: int
    target: Target
    process: Process
    #: None in a cheap farm.
    directory: Path | None

    @property
    def port(self) -> int:
        return self.target.port

    @property
    def address(self) -> str:
        return self.target.address

    @property
    def username(self) -> str:
        return self.target.username

    @property
    def password(self) -> str:
        return self.target.password

    @property
    def driver_info(self) -> dict[str, object]:
        """For a node of hardware type ipmi."""
        return self.target.driver_info

    @property
    def is_on(self) -> bool:
        """Whether the machine runs; nobody is asked by IPMI."""
        if self.directory is None:
            return self.number in _children(self.process.pid)
        file = self.directory / "power"
        # Empty for a moment while the script writes it.
        return wait_for(file.read_text, 5, "power state", every=0.01) == "1\n"

    @is_on.setter
    def is_on(self, on: bool) -> None:
        self._write("power", str(int(on)))

    @property
    def journal(self) -> list[str]:
        """What was carried out: ``power 1``, ``reset``, ``boot pxe``."""
        file = self._file("journal")
        if not file.exists():
            return []
        return [line.strip() for line in file.read_text().splitlines()]

    def late(self, seconds: float | None) -> None:
        """Switch so many seconds after it was told to; None: at once."""
        self._write("late", None if seconds is None else str(seconds))

    def lie(self, on: bool | None) -> None:
        """Report this power state whatever it is; None: the truth."""
        self._write("lie", None if on is None else str(int(on)))

    def refuse(self, yes: bool = True) -> None:
        """Answer each chassis control with an error."""
        self._write("refuse", "" if yes else None)

    def ignore_shutdown(self, yes: bool = True) -> None:
        """Do nothing on a soft shutdown, as a hung system does."""
        self._write("deaf", "" if yes else None)

    def kill(self) -> None:
        """The process is gone, with all sessions; SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGSTOP: it keeps its socket, and answers nothing."""
        self.process.signal(signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT: it answers all that has waited."""
        self.process.signal(signal.SIGCONT)

    def start(self) -> None:
        """After a kill; it answers when this returns."""
        self.process.start()
        self.process.wait_ready(15)

    def restart(self) -> None:
        """Forget all sessions; the power state stays as it was."""
        self.kill()
        self.start()

    def _write(self, name: str, text: str | None) -> None:
        file = self._file(name)
        if text is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(text + "\n")

    def _file(self, name: str) -> Path:
        if self.directory is None:
            raise RuntimeError("a cheap farm keeps no files")
        return self.directory / name


class Farm:
    """N controllers; a context manager that starts and stops them.

    :param directory: empty or missing; for configuration and states
    :param own_process: each has a process, so that it can be killed or
        stopped alone; otherwise 250 share one
    :param cheap: for hundreds. A query costs microseconds (otherwise a
        shell), but there is no journal, no fault, no soft shutdown, no
        reset, and a restart switches off. And several of one process that
        are switched off within a second: ipmi_sim loses count of its
        children, and some stay "on" for ever
    :param is_on: which are on at the start
    :param first_port: the others follow; None: free ones
    :param serial_lines: TCP ports their consoles connect to
    :param crew: who owns the processes; None: a crew of its own
    :param script: what carries out chassis commands; another one than the
        usual has files and words of its own
    """

    def __init__(
        self,
        directory: Path,
        count: int,
        *,
        own_process: bool = False,
        cheap: bool = False,
        is_on: Callable[[int], bool] = _every_third,
        accounts: Sequence[Account] = ACCOUNTS,
        address: str = LOOPBACK,
        first_port: int | None = None,
        serial_lines: Sequence[int] = (),
        crew: Crew | None = None,
        script: str = sim_files.SCRIPT,
    ) -> None:
        if shutil.which("ipmi_sim") is None:
            raise RuntimeError(
                f"ipmi_sim is missing: install Debian's {DEBIAN_PACKAGE}"
            )
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._accounts = tuple(accounts)
        self._own_crew = crew is None
        self._crew = crew or Crew(directory)
        self._script = directory / "chassis"
        self._script.write_text(script)
        self._script.chmod(0o755)
        simulated = []
        for number in range(count):
            simulated.append(
                sim_files.Simulated(
                    number=number,
                    address=address,
                    port=first_port + number if first_port else free_port(),
                    directory=None if cheap else directory / f"bmc{number}",
                    is_on=is_on(number),
                    serial_line=serial_lines[number] if serial_lines else None,
                )
            )
        step = 1 if own_process else sim_files.MOST
        self._processes: list[Process] = []
        self.bmcs: list[SimulatedBmc] = []
        self._at_start = {one.number: one.is_on for one in simulated}
        for first in range(0, count, step):
            self._add(simulated[first : first + step])

    def __enter__(self) -> Farm:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __iter__(self) -> Iterator[SimulatedBmc]:
        return iter(self.bmcs)

    def __getitem__(self, number: int) -> SimulatedBmc:
        return self.bmcs[number]

    def __len__(self) -> int:
        return len(self.bmcs)

    @property
    def pids(self) -> list[int]:
        """Of the processes of ipmi_sim."""
        return [process.pid for process in self._processes]

    def truth(self) -> dict[int, bool]:
        """Number to whether it is on, for all; cheaper than one by one."""
        on: set[int] = set()
        if any(bmc.directory is None for bmc in self.bmcs):
            for pid in self.pids:
                on |= _children(pid)
        return {
            bmc.number: bmc.is_on if bmc.directory else bmc.number in on
            for bmc in self.bmcs
        }

    def start(self) -> None:
        """Start them; all answer when this returns."""
        for process in self._processes:
            process.start()
        for process in self._processes:
            process.wait_ready(30)
        # One that is on at the start is forked at about that time.
        wait_for(
            lambda: self.truth() == self._at_start,
            10,
            "farm as it was ordered",
            every=0.05,
        )

    def stop(self) -> None:
        """Stop them for good."""
        if self._own_crew:
            self._crew.stop()
        else:
            for process in self._processes:
                process.kill()

    def _add(self, simulated: Sequence[sim_files.Simulated]) -> None:
        number = len(self._processes)
        here = self._directory / f"ipmi_sim{number}"
        # Two that make one directory at the same time: one of them gives up.
        (here / "state").mkdir(parents=True)
        (here / "lan.conf").write_text(
            sim_files.lan_conf(simulated, self._accounts, self._script)
        )
        (here / "emulation").write_text(sim_files.emulation(len(simulated)))
        for one in simulated:
            if one.directory is not None:
                one.directory.mkdir()
                (one.directory / "power").write_text(f"{int(one.is_on)}\n")
                (one.directory / "boot").write_text("default\n")
        targets = [
            Target(one.port, one.address, self._accounts[0])
            for one in simulated
        ]
        process = self._crew.process(
            f"ipmi_sim{number}",
            [
                "ipmi_sim",
                "-n",
                f"-c{here / 'lan.conf'}",
                f"-f{here / 'emulation'}",
                f"-s{here / 'state'}",
            ],
            ready=lambda: not silent(targets, 1.0),
        )
        self._processes.append(process)
        self.bmcs += [
            SimulatedBmc(one.number, target, process, one.directory)
            for one, target in zip(simulated, targets, strict=True)
        ]


def _children(pid: int) -> set[int]:
    """The numbers of the machines that are on.

    :raises TimedOut: a child does not become what it was started for
    """
    settled = wait_for(
        lambda: _settled_children(pid), 10, "settled children", every=0.02
    )
    assert settled is not None
    return settled[0]


def _settled_children(pid: int) -> tuple[set[int]] | None:
    """None: a child was just forked, nobody knows for which machine."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            except OSError:
                continue
            if words[:2] == list(sim_files.standing_for(0)[:2]):
                found.add(int(words[2]))
            elif words[0]:  # empty: it has ended
                return None
    return (found,)
