# SPDX-License-Identifier: Apache-2.0
"""A wall clock of its own for a Python process, to be set forth and back.

``python -m lab.stepped_clock FILE MODULE ARGUMENTS`` runs a module whose
``time.time`` is the real one and as many seconds more as the file says. The
monotonic clock stays real, as it does when a machine's clock is stepped.
Debian's libfaketime does the same for any program, but breaks short sleeps
(``OSError: Invalid argument``), which ends threads of oslo.messaging.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

from lab.processes import CHECKOUT


class SteppedClock:
    """The clock of all processes that ``argv`` starts."""

    #: What the process needs in its environment.
    environment = {"PYTHONPATH": str(CHECKOUT)}

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step(0)

    def argv(self, module: str, *arguments: str) -> list[str]:
        """How a module is run under this clock."""
        return [
            sys.executable,
            "-m",
            "lab.stepped_clock",
            str(self._file),
            module,
            *arguments,
        ]

    def step(self, seconds: int) -> None:
        """Set the clock to so many seconds beside the real time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.replace(self._file)


def _run(file: Path, module: str, arguments: list[str]) -> None:
    real, real_ns = time.time, time.time_ns

    def stepped() -> float:
        return real() + int(file.read_text())

    def stepped_ns() -> int:
        return real_ns() + int(file.read_text()) * 10**9

    # Before anything is imported that keeps a reference.
    time.time, time.time_ns = stepped, stepped_ns
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
