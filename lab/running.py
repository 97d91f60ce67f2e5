# SPDX-License-Identifier: Apache-2.0
"""Which running processes belong to a lab, and how they are ended.

Guarantees that a signal reaches only processes of the lab: a process is
ours when its environment carries the mark of the run, which every process
that the lab starts is given and hands down to its children. A pid that
another program got in the meantime is never touched. Linux only (/proc).
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

from lab.waiting import TimedOut, wait_for

MARK = "NOVA_IRONIC_PARTITION_LAB"

_RUN_FILE = "run"
_GONE_WITHIN = 10.0


class NotALab(Exception):
    """The directory holds no record of a run."""


def record(state_dir: Path) -> str:
    """Begin a new run in a directory, and return its mark's value."""
    run = uuid.uuid4().hex
    (state_dir / _RUN_FILE).write_text(run + "\n")
    return run


def recorded(state_dir: Path) -> str:
    """Return the mark's value of the run in a directory.

    :raises NotALab: nothing is recorded there
    """
    try:
        return (state_dir / _RUN_FILE).read_text().strip()
    except OSError as error:
        raise NotALab(f"no lab was started in {state_dir}") from error


@dataclass(frozen=True)
class Running:
    """A process as /proc shows it."""

    pid: int
    group: int
    name: str


def processes_of(run: str) -> list[Running]:
    """Return the living processes that carry the mark of this run."""
    found = []
    wanted = f"{MARK}={run}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        process = _read(entry)
        if process and wanted in _environment(entry):
            found.append(process)
    return found


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's process, or just gone
        return []


def _read(entry: Path) -> Running | None:
    try:
        stat = (entry / "stat").read_text()
    except OSError:
        return None
    name, _, rest = stat.partition("(")[2].rpartition(") ")
    state, _parent, group = rest.split()[:3]
    if state in "ZX":
        return None
    return Running(pid=int(entry.name), group=int(group), name=name)


def end(run: str, grace: float = 5.0) -> list[Running]:
    """Stop all processes of a run: SIGTERM, and SIGKILL after the grace.

    :param run: the mark's value
    :param grace: seconds that the processes get to leave by themselves
    :returns: those still alive in the end; empty in all but strange cases
    """
    _signal_all(run, signal.SIGTERM)
    if _all_gone(run, grace):
        return []
    _signal_all(run, signal.SIGKILL)
    _all_gone(run, _GONE_WITHIN)
    return processes_of(run)


def kill_group(run: str, group: int) -> None:
    """SIGKILL to the processes of a run that are in a process group."""
    for process in processes_of(run):
        if process.group == group:
            _signal(process, signal.SIGKILL)


def _signal_all(run: str, number: signal.Signals) -> None:
    for process in processes_of(run):
        _signal(process, number)


def _signal(process: Running, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _all_gone(run: str, seconds: float) -> bool:
    try:
        return wait_for(
            lambda: not processes_of(run), seconds, "end of the lab", every=0.1
        )
    except TimedOut:
        return False
