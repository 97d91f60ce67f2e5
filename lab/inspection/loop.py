# SPDX-License-Identifier: Apache-2.0
"""The whole loop, short of Nova: our service, ironic-inspector, a machine.

A node is inspected by what it really is: our service asks the inspector, the
inspector asks our service to boot the machine from the network, our service
asks the machine's controller by IPMI, the machine boots a ramdisk, and the
ramdisk reports to the inspector. Says what must come of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.backend import Backend
from lab.inspection.inspector import Inspector
from lab.inspection.machine import Machine
from lab.ipmi import witness as second_opinion
from lab.processes import Crew
from lab.waiting import TimedOut, wait_for
from lab.witness import StepFailed

HARDWARE_TYPE, INTERFACE = "ipmi", "discoverd"

#: Seconds from the request to the end. The machine needs 15 to 60 of them.
PATIENCE = 300.0


class Loop:
    """One node with its machine; owned by one thread.

    Declare it before the service is started: it changes its configuration.

    :param options: of our service, over those that the loop needs
    """

    def __init__(
        self,
        crew: Crew,
        backend: Backend,
        options: dict[str, dict[str, object]] | None = None,
    ) -> None:
        self.backend = backend
        self.inspector = Inspector(crew, backend.url)
        self.machine = Machine(crew, self.inspector.port)
        backend.configure(
            {
                "DEFAULT": {
                    "enabled_hardware_types": f"fake-hardware,{HARDWARE_TYPE}"
                },
                "discoverd": {
                    "enabled": True,
                    "service_url": self.inspector.service_url,
                    "status_check_period": 2,
                },
            }
        )
        backend.configure(options or {})
        self._uuid = ""

    def start(self) -> None:
        """Start the inspector and the controller; the machine stays off.

        :raises RamdiskFailed: a package of Debian can't be had
        """
        self.machine.start_controller()
        self.inspector.start()

    @property
    def uuid(self) -> str:
        """Of the node."""
        return self._uuid

    @property
    def node(self) -> Any:
        """The node as the API shows it now."""
        return self._baremetal.get_node(self._uuid)

    @property
    def _baremetal(self) -> Any:
        return self.backend.connect()

    def enrol(
        self,
        name: str,
        group: str = "",
        resource_class: str | None = None,
        mac: str | None = None,
    ) -> None:
        """Create the node, and make it manageable.

        Nothing is said of what it is made of, but for the port that the
        inspector knows it by: a controller on loopback is no key for it.

        :param mac: of that port; None: what the machine boots from
        """
        node = self._baremetal.create_node(
            name=name,
            driver=HARDWARE_TYPE,
            driver_info=self.machine.driver_info,
            inspect_interface=INTERFACE,
            conductor_group=group,
            resource_class=resource_class,
        )
        self._uuid = node.id
        self._baremetal.create_port(
            node_id=node.id, address=mac or self.machine.build.macs[0]
        )
        self.order("manage")
        self.wait_state("manageable", 30)

    def remove(self) -> None:
        """Remove the node, and what its machine has said; it must be off."""
        if self.node.provision_state != "manageable":
            self.order("manage")
            self.wait_state("manageable", 30)
        self._baremetal.delete_node(self._uuid)
        self.machine.forget()

    def reconfigure(self, options: dict[str, dict[str, object]]) -> None:
        """Restart our service with other options."""
        self.backend.configure(options)
        self.backend.process.stop()
        self.backend.process.start()
        self.backend.process.wait_ready()

    def order(self, verb: str) -> None:
        """Ask for a verb: manage, inspect, abort, provide."""
        self._baremetal.set_node_provision_state(self._uuid, verb)

    def wait_state(
        self,
        state: str,
        seconds: float = PATIENCE,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait for a provision state.

        :param meanwhile: called four times a second
        :raises StepFailed: another stable state came, or nothing
        """
        seen: list[Any] = []

        def reached() -> bool:
            meanwhile()
            seen[:] = [self.node]
            now = seen[0].provision_state
            failed = now.endswith("failed") and now != state
            return bool(failed or now == state)

        try:
            wait_for(reached, seconds, f"state {state}")
        except TimedOut as error:
            raise StepFailed(f"{error}: {_told(seen[0])}") from error
        if seen[0].provision_state != state:
            raise StepFailed(_told(seen[0]))

    def check_booted_for_it(self) -> None:
        """It was booted from the network because our service said so.

        :raises StepFailed: it was not, or it is still on
        """
        # The inspector has said so, and may have been faster than the power.
        self.machine.wait_off()
        journal = self.machine.journal
        wanted = ["boot pxe", "power 1", "start pxe", "power 0"]
        rest = iter(journal)
        if not all(step in rest for step in wanted):
            raise StepFailed(f"the controller did {journal}, not {wanted}")
        if journal.count("start pxe") != 1:
            raise StepFailed(f"booted more than once: {journal}")
        if second_opinion.is_on(self.machine.target):
            raise StepFailed("ipmitool finds the machine on")

    def check_found(self) -> None:
        """The node has what the machine is made of; so has its inventory.

        :raises StepFailed: something is missing or wrong
        """
        node = self.node
        build = self.machine.build
        _same("properties", dict(build.properties), node.properties)
        ports = {
            port.address: port.is_pxe_enabled
            for port in self._baremetal.ports(details=True, node=node.id)
        }
        wanted = {mac: mac == build.macs[0] for mac in build.macs}
        _same("ports", wanted, ports)
        inventory = self.inventory()
        found = {
            "cpus": inventory["cpu"]["count"],
            "memory": inventory["memory"]["physical_mb"],
            "disks": tuple(
                disk["size"] // 1024**3 for disk in inventory["disks"]
            ),
            "MACs": tuple(
                nic["mac_address"] for nic in inventory["interfaces"]
            ),
            "serial": inventory["system_vendor"]["serial_number"],
            "booted from": inventory["boot"]["pxe_interface"],
        }
        expected = {
            "cpus": build.cpus,
            "memory": build.memory_mb,
            "disks": build.disks,
            "MACs": build.macs,
            "serial": build.serial,
            "booted from": build.macs[0],
        }
        _same("inventory", expected, found)

    def inventory(self) -> dict[str, Any]:
        """What the ramdisk found, as the API serves it."""
        answer = self._baremetal.get(
            f"/nodes/{self._uuid}/inventory", microversion="1.81"
        )
        found = answer.json()
        if answer.status_code != 200:
            raise StepFailed(f"no inventory: {found}")
        return dict(found["inventory"])


def _told(node: Any) -> str:
    return f"the node is {node.provision_state!r}: {node.last_error}"


def _same(what: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    # More than wanted is fine for properties: capabilities are found, too.
    wrong = {
        name: found.get(name)
        for name, value in wanted.items()
        if found.get(name) != value
    }
    if wrong or (what == "ports" and len(found) != len(wanted)):
        raise StepFailed(f"{what}: {found} instead of {wanted}")
