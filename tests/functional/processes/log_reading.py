# SPDX-License-Identifier: Apache-2.0
"""What a nova-compute has logged since a moment, and waiting for it."""

from __future__ import annotations

from lab.compute import Compute
from lab.waiting import wait_for

SECONDS = 30.0
SWEEP = "Partition sweep"


class LogSince:
    """Reads a log from the moment of its construction on."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._mark = len(compute.log_text())

    @property
    def text(self) -> str:
        """What came since then."""
        return self._compute.log_since(self._mark)

    def errors(self) -> list[str]:
        """The lines of level ERROR that our driver has logged."""
        return [
            line
            for line in self.text.splitlines()
            if " ERROR nova_ironic_partition" in line
        ]

    def wait(self, text: str, times: int = 1) -> None:
        """Wait until a text was logged that often."""
        wait_for(
            lambda: self.text.count(text) >= times,
            SECONDS,
            f"{text!r} in the log of {self._compute.host}",
        )

    def wait_for_sweeps(self, count: int) -> None:
        """Wait for that many more runs of the resource tracker."""
        self.wait(SWEEP, self.text.count(SWEEP) + count)
