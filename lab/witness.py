# SPDX-License-Identifier: Apache-2.0
"""Watches a cloud and says whether it is as it must be.

Knows what the operator configured (the expectation), waits until the
invariants hold, and counts how often nodes change hands on the way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from lab.cloud import Cloud
from lab.invariants import Expectation, Moves, violations
from lab.waiting import TimedOut, wait_for

PATIENCE = 180.0

_SWEEP = re.compile(r"Partition sweep: (\d+) of \d+ nodes reported")


class StepFailed(Exception):
    """Something that must be true did not become true."""


def last_sweep(log: str) -> int | None:
    """How many nodes a compute reported in its last sweep, by its log."""
    found = _SWEEP.findall(log)
    return int(found[-1]) if found else None


class Witness:
    """Owned by the story; one at a time."""

    def __init__(self, cloud: Cloud, expected: Expectation) -> None:
        self._cloud = cloud
        self.expected = expected
        self.moves = Moves()

    def expect(self, members: Sequence[str]) -> None:
        """From now on these peers are up and enabled."""
        self.expected = replace(self.expected, members=tuple(members))

    def settle(self, goal: str) -> None:
        """Wait until the invariants hold.

        :param goal: what that means here, for the error
        :raises StepFailed: they do not in time, or a node took a detour
        """
        found: list[str] = []

        def holds() -> bool:
            world = self._cloud.world()
            self.moves.see(world.owners())
            found[:] = violations(world, self.expected)
            return not found

        try:
            wait_for(holds, PATIENCE, goal, every=0.5)
        except TimedOut as error:
            raise StepFailed("\n".join([f"not true: {goal}", *found])) from (
                error
            )
        if self.moves.most > 1:
            raise StepFailed(
                f"a node changed hands {self.moves.most} times on the way to:"
                f" {goal}"
            )

    def wait(self, predicate: Callable[[], object], what: str) -> None:
        """Wait for anything else that must come.

        :raises StepFailed: it does not come in time
        """
        try:
            wait_for(predicate, PATIENCE, what, every=0.5)
        except TimedOut as error:
            raise StepFailed(str(error)) from error

    def watch_calm(self, seconds: float, why: str) -> None:
        """Watch for a while that nothing changes hands.

        :raises StepFailed: a node got another owner
        """
        before = self._cloud.owners()
        end = time.monotonic() + seconds

        def over() -> bool:
            if self._cloud.owners() != before:
                raise StepFailed(f"nodes changed hands although {why}")
            return time.monotonic() >= end

        wait_for(over, seconds + PATIENCE, "end of the watch", every=0.5)

    def reported(self) -> int:
        """How many nodes all members reported in their last sweeps."""
        return sum(
            last_sweep(self._cloud.compute(host).log_text()) or 0
            for host in self.expected.members
        )

    def moves_text(self) -> str:
        """A clause for the summary of a step; empty if nothing moved."""
        if not self.moves.nodes:
            return ""
        return f"; {self.moves.nodes} nodes changed hands, each once"
