# SPDX-License-Identifier: Apache-2.0
"""A step of the demo: nova switches a machine by its controller.

The controller is a real ``ipmi_sim``; ``ipmitool`` says what it did.
"""

from __future__ import annotations

from lab.cloud import Cloud
from lab.ipmi import witness as second_opinion
from lab.ipmi.farm import Farm, SimulatedBmc
from lab.operator_actions import Operator
from lab.screen import Screen
from lab.witness import StepFailed, Witness

DRIVER = "ipmi"
_CLASS, _CUSTOM = "with-bmc", "WITH_BMC"
_SERVER = "iron"


class ControllerStep:
    """Adds a node with a controller to the cloud, and plays with it."""

    def __init__(
        self,
        cloud: Cloud,
        group: str,
        operator: Operator,
        witness: Witness,
        screen: Screen,
    ) -> None:
        self._cloud = cloud
        self._group = group
        self._operator = operator
        self._witness = witness
        self._screen = screen

    def play(self) -> None:
        """Boot, reboot, stop, start and delete a server on it.

        :raises StepFailed: the controller was not told, or did not obey
        """
        with Farm(
            self._cloud.state_dir / "controllers",
            1,
            is_on=lambda number: False,
        ) as farm:
            self._use(farm[0])

    def _use(self, bmc: SimulatedBmc) -> None:
        self._cloud.backend.enrol(
            1,
            self._group,
            _CLASS,
            prefix=DRIVER,
            driver=DRIVER,
            driver_info=bmc.driver_info,
        )
        self._screen.did(f"a node with a controller at port {bmc.port}")
        self._operator.create_flavor(_CLASS, _CUSTOM)
        self._witness.settle("the node has an owner")
        self._wait_until_offered()
        self._operator.boot(_SERVER, flavor_name=_CLASS)
        self._check(bmc, is_on=True, done=["power 1"])
        self._operator.reboot()
        self._check(bmc, is_on=True, done=["power 0", "power 1"])
        self._operator.stop()
        self._check(bmc, is_on=False, done=["shutdown 1"])
        self._operator.restart()
        self._check(bmc, is_on=True, done=["power 1"])
        self._operator.delete_servers()
        self._witness.wait(
            lambda: all(
                node.state == "available" for node in self._cloud.world().nodes
            ),
            "available node",
        )

    def _wait_until_offered(self) -> None:
        """Its owner has told the scheduler of it."""
        offered = self._cloud.placement.candidates
        self._witness.wait(lambda: offered(_CUSTOM), "node in placement")

    def _check(self, bmc: SimulatedBmc, is_on: bool, done: list[str]) -> None:
        """What was asked last was carried out, in this order."""
        if second_opinion.is_on(bmc.target) != is_on:
            raise StepFailed(f"ipmitool finds it {'off' if is_on else 'on'}")
        last = bmc.journal[-len(done) :]
        if last != done:
            raise StepFailed(f"the controller did {last}, not {done}")
        self._screen.did(
            f"the controller did: {', '.join(done)}; ipmitool finds it "
            f"{'on' if is_on else 'off'}"
        )
