# SPDX-License-Identifier: Apache-2.0
"""Polls, operations and operators in any order: what must always hold.

Guarantees: an observation is never written over what an operation did after
it was made, nor to a node that somebody has or keeps in maintenance; and when
everybody is done, record and hardware agree.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.backend.conductor.conftest import World
from tests.backend.conductor.power_sync.conftest import Following
from tests.databases.lending import empty_database
from tests.fakes.power import SILENT, SwitchedHardware

ON, OFF = "power on", "power off"


class PowerMachine(RuleBasedStateMachine):
    """One node, its hardware, a poller whose answers are held, and others."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        directory = Path(
            self.stack.enter_context(tempfile.TemporaryDirectory())
        )
        url = self.stack.enter_context(empty_database("sqlite", directory))
        self.world = World(directory, SwitchedHardware, url=url)
        self.stack.callback(self.world.close)
        self.following = Following(self.world)
        self.stack.callback(self.following.close)
        self.following.options(
            force_power_state_during_sync=False, power_state_sync_max_retries=2
        )

    @initialize(hardware=st.sampled_from([ON, OFF]))
    def begin(self, hardware: str) -> None:
        self.node = self.following.node(hardware, power_state=OFF)
        self.power = self.following.power
        self.power.holding = True
        self.token: int | None = None
        #: Answers that a controller has given and that are still under way.
        self.sampled: list[tuple[object, object]] = []
        #: What the hardware was since the last operation ended.
        self.since = {hardware}
        self.following.step()

    @property
    def hardware(self):
        return self.power.hardware[self.node.uuid]

    def become(self, state) -> None:
        self.power.hardware[self.node.uuid] = state
        self.since.add(state)

    # -- the world ------------------------------------------------------------

    @rule(state=st.sampled_from([ON, OFF]))
    def somebody_presses_the_button(self, state: str) -> None:
        self.become(state)

    @rule()
    def the_controller_falls_silent(self) -> None:
        self.power.hardware[self.node.uuid] = SILENT

    @rule()
    def the_controller_answers(self) -> None:
        held, self.power.pending = self.power.pending, []
        self.sampled += [
            (done, self.power.reading(uuid)) for uuid, done in held
        ]

    @precondition(lambda self: self.token is None)
    @rule()
    def an_operation_begins(self) -> None:
        if self.seen().reservation is None:
            self.token = self.world.take(self.node).lease_token

    @precondition(lambda self: self.token is not None)
    @rule(state=st.sampled_from([ON, OFF]))
    def the_operation_switches_and_ends(self, state: str) -> None:
        storage, uuid = self.world.storage, self.node.uuid
        storage.nodes.change(uuid, {"power_state": state}, token=self.token)
        storage.leases.give_back(uuid, self.token)
        self.token = None
        self.power.hardware[uuid] = state
        self.since = {state}

    @rule(state=st.sampled_from([ON, OFF]))
    def a_quick_operation_switches(self, state: str) -> None:
        if self.token is None:
            self.an_operation_begins()
        if self.token is not None:
            self.the_operation_switches_and_ends(state)

    @rule()
    def somebody_edits_the_node(self) -> None:
        seen = self.seen()
        self.world.storage.nodes.change(
            seen.uuid, {"description": "x"}, seen_version=seen.version
        )

    @rule(there=st.booleans())
    def an_operator_sets_maintenance(self, there: bool) -> None:
        self.world.conductor.set_node_maintenance(
            self.node.uuid, there, "by hand" if there else None
        )

    # -- the poller -----------------------------------------------------------

    def seen(self):
        return self.following.get(self.node)

    @rule(passed=st.sampled_from([0.5, 2.0, 30.0, 70.0]))
    def the_poller_goes_on(self, passed: float) -> None:
        self.following.time += passed
        self.watched()

    @rule()
    def somebody_wants_to_know(self) -> None:
        self.following.roster.poll_now()
        self.following.time += 0.05
        self.watched()

    @rule(state=st.sampled_from([ON, OFF]))
    def an_answer_is_overtaken_by_an_operation(self, state: str) -> None:
        """What goes wrong most easily, in one step."""
        self.somebody_wants_to_know()
        self.somebody_presses_the_button(OFF if state == ON else ON)
        self.the_controller_answers()
        self.a_quick_operation_switches(state)
        self.answers_arrive()

    @rule()
    def answers_arrive(self) -> None:
        arrived, self.sampled = self.sampled, []
        for done, reading in arrived:
            done(reading)
        self.watched()

    def watched(self) -> None:
        """Step, and see what it wrote."""
        before = self.seen()
        self.following.step()
        after = self.seen()
        if before.version == after.version:
            return
        assert before.reservation is None
        assert before.target_power_state is None
        by_hand = before.maintenance and before.fault is None
        assert not by_hand
        if after.power_state is not None:
            assert after.power_state in self.since
        else:
            assert after.fault == "power failure"

    @invariant()
    def the_count_of_questions_is_right(self) -> None:
        roster = self.following.roster
        under_way = sum(one.in_flight for one in roster.all())
        assert roster.in_flight == under_way

    @invariant()
    def a_fault_is_a_maintenance(self) -> None:
        if hasattr(self, "node"):
            seen = self.seen()
            assert seen.fault is None or seen.maintenance

    def teardown(self) -> None:
        try:
            if hasattr(self, "node"):
                self.all_are_done()
        finally:
            self.stack.close()

    def all_are_done(self) -> None:
        if self.token is not None:
            self.the_operation_switches_and_ends(ON)
        if self.hardware is SILENT:
            self.become(OFF)
        self.an_operator_sets_maintenance(False)
        self.the_controller_answers()
        self.answers_arrive()
        self.power.holding = False
        self.following.passes(500, 5.0)
        seen = self.seen()
        assert seen.power_state == self.hardware
        assert not seen.maintenance


# The same course each time, and no shrinking: for a wider search drop
# ``derandomize``, raise ``max_examples`` and leave out ``phases``.
TestPowerMachine = PowerMachine.TestCase
TestPowerMachine.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
