# SPDX-License-Identifier: Apache-2.0
"""Hardware whose steps do what a test says, and note that they were run."""

from __future__ import annotations

from baremetal_backend.core.errors import HardwareFailed
from baremetal_backend.drivers import base
from baremetal_backend.drivers.base import (
    WAIT,
    Pause,
    clean_step,
    deploy_step,
    service_step,
    verify_step,
)
from baremetal_backend.drivers.fake.hardware import FakeHardware, FakePower

#: (step, arguments) of this test, in the order in which they were run.
RAN: list[tuple[str, dict[str, object]]] = []


class SteppingManagement(base.ManagementInterface):
    """A step for each way in which one can end."""

    name = "stepping"

    @clean_step(priority=50)
    @service_step()
    def quick(self, task):
        """Done at once."""
        RAN.append(("quick", {}))

    @clean_step(priority=40, abortable=True, argsinfo={
        "pattern": {"description": "What to write.", "required": True},
        "passes": {"description": "How often."},
    })  # fmt: skip
    @deploy_step(argsinfo={"pattern": {"description": "x"}})
    def slow(self, task, pattern="zero", passes=1):
        """Done after a pause."""
        yield Pause(7)
        RAN.append(("slow", {"pattern": pattern, "passes": passes}))

    @clean_step(priority=30)
    @deploy_step(priority=80)
    @service_step(abortable=True)
    def waiting(self, task):
        """Somebody has to say that it is done."""
        RAN.append(("waiting", {}))
        return WAIT

    @clean_step()
    @service_step()
    def waiting_later(self, task):
        """Waits after a pause."""
        yield Pause(3)
        RAN.append(("waiting_later", {}))
        return WAIT

    @clean_step(requires_ramdisk=True)
    @service_step()
    def broken(self, task):
        """Raises what hardware raises."""
        raise HardwareFailed("fan 2 is dead")

    @clean_step()
    def buggy(self, task):
        """Raises what software raises."""
        return 1 / 0

    @clean_step()
    def confused(self, task):
        """Returns what means nothing."""
        return "CLEANWAIT"

    @verify_step(priority=5)
    def acquaint(self, task):
        """Look around at first contact."""
        if task.node.extra.get("shy"):
            raise HardwareFailed("it does not answer")
        if task.node.extra.get("slow"):
            return WAIT
        RAN.append(("acquaint", {}))
        return None


class SteppingHardware(FakeHardware):
    """Fake hardware with such a management."""

    interfaces = {
        **FakeHardware.interfaces,
        "management": (SteppingManagement,),
        "power": (FakePower,),
    }
