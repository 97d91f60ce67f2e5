# SPDX-License-Identifier: Apache-2.0
"""Any plan, interrupted anywhere: each step is run once, in order."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from baremetal_backend.conductor import steps
from baremetal_backend.conductor.steps import Outcome
from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.core.journey import failure, present
from baremetal_backend.core.records import Node
from baremetal_backend.core.steps import PlannedStep
from baremetal_backend.drivers.base import (
    WAIT,
    ManagementInterface,
    Pause,
    clean_step,
)

NOW = "2026-01-01T00:00:00+00:00"


class Noting(ManagementInterface):
    """Steps that note their number."""

    name = "noting"

    def __init__(self) -> None:
        self.ran: list[int] = []

    @clean_step(argsinfo={"number": {"description": "x", "required": True}})
    def quick(self, task, number):
        self.ran.append(number)

    @clean_step(argsinfo={"number": {"description": "x", "required": True}})
    def slow(self, task, number):
        yield Pause(1)
        self.ran.append(number)

    @clean_step(argsinfo={"number": {"description": "x", "required": True}})
    def waits(self, task, number):
        self.ran.append(number)
        return WAIT

    @clean_step(argsinfo={"number": {"description": "x", "required": True}})
    def fails(self, task, number):
        self.ran.append(number)
        raise HardwareFailed("no")


class OneInterface:
    """A driver with one interface of each type that is asked for."""

    def __init__(self, interface) -> None:
        self._interface = interface

    def find(self, kind):
        return self._interface if kind == "management" else None


class Memory:
    """A task whose node is kept nowhere else."""

    def __init__(self, interface) -> None:
        self.node = Node(uuid="u", driver="d", provision_state="cleaning")
        self.driver = OneInterface(interface)
        self.now = NOW

    def save(self, **changes):
        self.node = dataclasses.replace(self.node, **changes)
        return self.node


def planned(names):
    return [
        PlannedStep("power", "hold")
        if name == "hold"
        else PlannedStep("management", name, {"number": number})
        for number, name in enumerate(names)
    ]


def driven(work):
    """Run to the end of the work; its outcome."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


@given(
    st.lists(st.sampled_from(("quick", "slow", "waits", "hold")), max_size=12)
)
def test_every_step_is_run_once_whatever_interrupts_the_plan(names):
    interface = Noting()
    outcomes = []
    # Whoever goes on is another task, with what was stored of the node.
    task = Memory(interface)
    outcome = driven(steps.begin(task, "clean", planned(names)))
    while outcome is not Outcome.DONE:
        outcomes.append(outcome)
        stored, task = task.node, Memory(interface)
        task.save(**{"driver_internal_info": stored.driver_internal_info})
        task.save(clean_step=stored.clean_step)
        outcome = driven(steps.go_on(task, "clean"))
    assert interface.ran == [
        number for number, name in enumerate(names) if name != "hold"
    ]
    assert outcomes == [
        {"waits": Outcome.WAIT, "hold": Outcome.HOLD}[name]
        for name in names
        if name in ("waits", "hold")
    ]
    assert task.node.driver_internal_info == {}
    assert task.node.clean_step == {}


@given(
    st.lists(st.sampled_from(("quick", "slow")), max_size=6),
    st.lists(st.sampled_from(("quick", "waits")), max_size=6),
)
def test_nothing_is_run_after_the_step_that_fails(before, after):
    interface = Noting()
    task = Memory(interface)
    names = [*before, "fails", *after]
    try:
        driven(steps.begin(task, "clean", planned(names)))
    except HardwareFailed:
        pass
    else:
        raise AssertionError("the failure was lost")
    assert interface.ran == list(range(len(before) + 1))
    assert present(task.node).name == "fails"
    found = failure(task.node, "Failed to clean", "no", NOW)
    assert found.error == (
        "Failed to clean: step fails of interface management: no"
    )
