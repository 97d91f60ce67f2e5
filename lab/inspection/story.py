# SPDX-License-Identifier: Apache-2.0
"""The story of a machine that nobody knows, from its enrolment to a server.

A step ends when what it is about is true; what does not come true ends the
story with StepFailed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lab.cloud import Cloud
from lab.inspection.loop import HARDWARE_TYPE, INTERFACE, Loop
from lab.invariants import Expectation
from lab.operator_actions import Operator
from lab.screen import Screen
from lab.table import render
from lab.witness import StepFailed, Witness

GROUP = "unknown"
NODE, SERVER = "unknown-machine", "iron"
RESOURCE_CLASS = "inspected"

_PROPERTIES = ("cpus", "cpu_arch", "memory_mb", "local_gb", "capabilities")


class Inspection:
    """The part without Nova: the node is enrolled, and inspects itself."""

    def __init__(self, loop: Loop, screen: Screen) -> None:
        self._loop = loop
        self._screen = screen
        self._heard = 0
        self._steps_seen = 0

    def enrol(self) -> None:
        """Make the node manageable; nothing is known of it."""
        self._screen.say(
            f"""A node of hardware type {HARDWARE_TYPE}, inspect interface
            {INTERFACE}. Its controller is ipmi_sim; its machine, a qemu that
            is off. All that is told: the controller's address and account, and
            the MAC address of the NIC that it boots from."""
        )
        self._loop.enrol(NODE, GROUP, RESOURCE_CLASS)
        known = self._loop.node.properties
        if known:
            raise StepFailed(f"something is known already: {known}")
        if self._loop.machine.is_on:
            raise StepFailed("the machine is on")
        self._screen.did(
            f"{NODE} is manageable; controller at port "
            f"{self._loop.machine.target.port}; properties: none"
        )

    def inspect(self) -> None:
        """Have it inspected; it ends manageable, and off."""
        self._screen.say(
            """Our service asks ironic-inspector, which asks our service to
            set the boot device and to switch on. The controller starts the
            machine; it loads Debian's kernel and a ramdisk over its network,
            looks around, and reports to the inspector."""
        )
        self._loop.order("inspect")
        self._screen.did("inspection ordered")
        self._loop.wait_state("manageable", meanwhile=self._follow)
        self._screen.did(f"{NODE} is manageable")
        self._loop.check_booted_for_it()
        self._follow()
        self._screen.did(
            "the machine has booted from the network once, for this, and is "
            "off; ipmitool finds it off, too"
        )

    def compare(self) -> None:
        """What was found is what the machine is made of."""
        self._screen.say(
            """Properties, ports and inventory against what the machine was
            built of."""
        )
        self._loop.check_found()
        node = self._loop.node
        rows = [(name, node.properties.get(name, "")) for name in _PROPERTIES]
        rows += [("port", mac) for mac in self._loop.machine.build.macs]
        rows += [
            (disk["name"], f"{disk['size'] // 1024**3} GiB")
            for disk in self._loop.inventory()["disks"]
        ]
        self._screen.block(render(("found", "value"), rows))

    def _follow(self) -> None:
        """Show what controller and machine have done since the last look."""
        journal = self._loop.machine.journal
        for line in journal[self._steps_seen :]:
            self._screen.did(f"controller: {line}")
        self._steps_seen = len(journal)
        said = self._loop.machine.said()
        for line in said[self._heard :]:
            self._screen.did(f"machine: {line}")
        self._heard = len(said)


class InspectionStory:
    """Plays the steps on a cloud whose services run, short of computes."""

    def __init__(self, cloud: Cloud, loop: Loop, screen: Screen) -> None:
        self._cloud = cloud
        self._loop = loop
        self._screen = screen
        self._inspection = Inspection(loop, screen)
        self._witness = Witness(cloud, Expectation(GROUP, cloud.plan.hosts))
        self._operator = Operator(cloud, self._witness, screen)

    def prepare(self) -> None:
        """The first step, a nova-compute, and what a user needs."""
        self._inspection.enrol()
        self._start_compute()

    def play(self) -> None:
        """All steps, in order.

        :raises StepFailed: something did not come true
        """
        steps: list[tuple[str, Callable[[], None]]] = [
            ("Enrol a machine that nobody knows", self._inspection.enrol),
            ("It inspects itself", self._inspection.inspect),
            ("What was found", self._inspection.compare),
            ("A server on it", self._serve),
            ("Delete the server", self._delete),
        ]
        for number, (title, step) in enumerate(steps, 1):
            self._screen.heading(f"{number}/{len(steps)}  {title}")
            started = time.monotonic()
            step()
            self._screen.did(
                f"step {number} took {time.monotonic() - started:.1f} s"
            )

    def _start_compute(self) -> None:
        self._cloud.start_computes()
        self._screen.did(f"{', '.join(self._cloud.plan.hosts)} runs")
        self._operator.prepare(RESOURCE_CLASS)

    def _serve(self) -> None:
        self._screen.say(
            """The node becomes available, a nova-compute tells the scheduler
            of it, and a server is ordered from nova's API. The machine boots
            from its disk, which is empty."""
        )
        self._loop.order("provide")
        self._loop.wait_state("available", 60)
        self._start_compute()
        self._witness.settle("the node has an owner")
        offered = self._cloud.placement.candidates
        self._witness.wait(
            lambda: offered(RESOURCE_CLASS.upper()), "node in placement"
        )
        self._operator.boot(SERVER)
        check_server(self._loop)
        node: Any = self._loop.node
        self._screen.did(
            f"server {node.instance_id} is on {NODE}; the controller: "
            f"{self._loop.machine.journal[-1]}"
        )

    def _delete(self) -> None:
        self._operator.delete_servers()
        self._loop.wait_state("available", 60)
        self._loop.machine.wait_off()
        self._screen.did(f"{NODE} is available again, its machine off")


def check_server(loop: Loop) -> None:
    """A server has the node, and its machine has booted from its disk.

    :raises StepFailed: it has not
    """
    node = loop.node
    if node.provision_state != "active" or not node.instance_id:
        raise StepFailed(f"no server on the node: {node.provision_state}")
    if not loop.machine.is_on:
        raise StepFailed("the server's machine is off")
    starts = [
        line for line in loop.machine.journal if line.startswith("start ")
    ]
    if starts[-1] not in {"start disk", "start default"}:
        raise StepFailed(f"the server's machine did {starts[-1]}")
