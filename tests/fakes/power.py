# SPDX-License-Identifier: Apache-2.0
"""Power interfaces that say what a test tells them to, and when."""

from __future__ import annotations

import threading

from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import PowerReading
from baremetal_backend.drivers.fake.hardware import FakeHardware


class ScriptedPower(base.PowerInterface):
    """Answers without waiting; each node has a switch of its own."""

    name = "scripted"

    def __init__(self, settings, *equipment) -> None:
        super().__init__(settings)
        #: Node to what its hardware is; a PowerReading is given as it is.
        self.hardware: dict[str, str | PowerReading] = {}
        #: While True, answers are kept in ``pending``.
        self.holding = False
        self.pending: list[tuple[str, object]] = []
        #: Who was asked, in order; and for which driver_info.
        self.asked: list[str] = []
        self.asked_with: list[dict] = []
        self.forgotten: list[tuple[str, dict]] = []
        self.switched: list[tuple[str, str]] = []
        #: Raised by the next question.
        self.error: Exception | None = None
        #: Whether switching does anything.
        self.obeys = True

    def get_power_state(self, node):
        state = self.hardware.get(node.uuid, base.POWER_OFF)
        if isinstance(state, PowerReading):
            raise HardwareFailed(state.error or "silent")
        return state

    def ask_power_state(self, node, done):
        self.asked.append(node.uuid)
        self.asked_with.append(dict(node.driver_info))
        if self.error is not None:
            raise self.error
        if self.holding:
            self.pending.append((node.uuid, done))
        else:
            done(self.reading(node.uuid))
        return True

    def reading(self, uuid) -> PowerReading:
        state = self.hardware.get(uuid, base.POWER_OFF)
        if isinstance(state, PowerReading):
            return state
        return PowerReading(state, seconds=0.01)

    def answer(self) -> None:
        """Give all answers that are held, as the hardware is now."""
        held, self.pending = self.pending, []
        for uuid, done in held:
            done(self.reading(uuid))

    def set_power_state(self, task, state):
        self.switched.append((task.node.uuid, state))
        if not self.obeys:
            raise HardwareFailed("the relay is stuck")
        self.hardware[task.node.uuid] = state

    def forget(self, node):
        self.forgotten.append((node.uuid, dict(node.driver_info)))


class BlockingPower(base.PowerInterface):
    """Can only block, until the test lets it go on."""

    name = "blocking"

    def __init__(self, settings, *equipment) -> None:
        super().__init__(settings)
        self.let_go = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def get_power_state(self, node):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            assert self.let_go.wait(20)
        finally:
            with self._lock:
                self.inside -= 1
        return base.POWER_ON

    def set_power_state(self, task, state):
        return None


class SwitchedHardware(FakeHardware):
    """Fake hardware with these switches; the scripted one is the default."""

    interfaces = {
        **FakeHardware.interfaces,
        "power": (ScriptedPower, BlockingPower),
    }


SILENT = PowerReading(
    None, "10.0.0.1:623: Get Chassis Status failed", "unreachable", 4.0
)
