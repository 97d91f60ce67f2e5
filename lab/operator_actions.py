# SPDX-License-Identifier: Apache-2.0
"""What an operator and a user do to a cloud in the demo.

Each action is one that a person could do by hand with an editor, kill, or
the openstack client, and says on the screen that it was done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab.cloud import Cloud
from lab.screen import Screen
from lab.witness import StepFailed, Witness

IMAGE, FLAVOR = "tiny", "baremetal"


class Operator:
    """The administrator of a cloud with an API."""

    def __init__(self, cloud: Cloud, witness: Witness, screen: Screen) -> None:
        if cloud.front is None:
            raise ValueError("an operator needs a cloud with an API")
        self._cloud = cloud
        self._witness = witness
        self._screen = screen
        self._sdk: Any = cloud.front.connect()
        self._servers: list[Any] = []

    def configure(self, hosts: Sequence[str], peers: Sequence[str]) -> None:
        """Write peer_list on hosts, and send each a SIGHUP."""
        for host in hosts:
            compute = self._cloud.compute(host)
            compute.write_config(peer_list=peers)
            compute.sighup()
        self._screen.did(
            f"peer_list = {','.join(peers)} on {', '.join(hosts)}, SIGHUP"
        )

    def start(self, host: str) -> None:
        """Start a compute, and wait until it reports to nova."""
        self._cloud.start_computes(host)
        self._screen.did(f"{host} runs again")

    def terminate(self, host: str) -> None:
        """Stop a compute by SIGTERM.

        :raises StepFailed: it does not end by itself, or not with 0
        """
        process = self._cloud.compute(host).process
        self._cloud.compute(host).terminate()
        self._witness.wait(
            lambda: not process.is_running, f"graceful end of {host}"
        )
        if process.exit_status != 0:
            raise StepFailed(f"{host} ended with {process.exit_status}")
        self._screen.did(f"{host} stopped gracefully")

    def disable(self, host: str) -> None:
        """Take a service out of scheduling and out of the ring."""
        self._sdk.compute.disable_service(
            self._service(host), disabled_reason="leaves the partition"
        )
        self._screen.did(f"service of {host} disabled")

    def enable(self, host: str) -> None:
        """Undo ``disable``."""
        self._sdk.compute.enable_service(self._service(host))
        self._screen.did(f"service of {host} enabled")

    def prepare(self, resource_class: str) -> None:
        """Create an image and a flavor of one node of a class."""
        self._sdk.image.create_image(
            name=IMAGE,
            data=b"\0" * 1024,
            disk_format="raw",
            container_format="bare",
        )
        self.create_flavor(FLAVOR, resource_class)
        self._screen.did(f"image {IMAGE} and flavor {FLAVOR} created")

    def create_flavor(self, name: str, resource_class: str) -> None:
        """Create a flavor of one node of a class."""
        flavor = self._sdk.compute.create_flavor(
            name=name, ram=16384, vcpus=8, disk=100
        )
        # A bare metal node is taken as a whole: one of its class, and none
        # of the quantities that the flavor shows to people.
        self._sdk.compute.create_flavor_extra_specs(
            flavor,
            {
                f"resources:CUSTOM_{resource_class.upper()}": "1",
                "resources:VCPU": "0",
                "resources:MEMORY_MB": "0",
                "resources:DISK_GB": "0",
            },
        )

    def boot(self, *names: str, flavor_name: str = FLAVOR) -> None:
        """Boot servers, and wait until they are ACTIVE.

        :raises StepFailed: one of them does not become ACTIVE
        """
        image = self._sdk.image.find_image(IMAGE)
        flavor = self._sdk.compute.find_flavor(flavor_name)
        self._servers += [
            self._sdk.compute.create_server(
                name=name,
                flavor_id=flavor.id,
                image_id=image.id,
                networks="none",
            )
            for name in names
        ]
        for server in self._servers:
            self._wait_for(server, "ACTIVE", "the deployment")
            self._screen.did(f"server {server.name} is ACTIVE")

    def reboot(self) -> None:
        """Reboot all servers, the hard way."""
        self._act(
            lambda server: self._sdk.compute.reboot_server(server, "HARD"),
            "rebooted",
            "ACTIVE",
        )

    def stop(self) -> None:
        """Stop all servers."""
        self._act(self._sdk.compute.stop_server, "stopped", "SHUTOFF")

    def restart(self) -> None:
        """Start all stopped servers."""
        self._act(self._sdk.compute.start_server, "started", "ACTIVE")

    def _act(
        self, action: Callable[[Any], object], done: str, status: str
    ) -> None:
        for server in self._servers:
            action(server)
        for server in self._servers:
            self._wait_for(server, status, "what was asked")
            self._screen.did(f"server {server.name} {done}: {status}")

    def delete_servers(self) -> None:
        """Delete what ``boot`` created, and wait until nova forgot it."""
        for server in self._servers:
            self._sdk.compute.delete_server(server)
        for server in self._servers:
            self._sdk.compute.wait_for_delete(server, wait=180)
        names = " and ".join(server.name for server in self._servers)
        self._screen.did(f"servers {names} deleted")
        self._servers.clear()

    def _service(self, host: str) -> Any:
        services = self._sdk.compute.services(host=host, binary="nova-compute")
        return next(iter(services))

    def _wait_for(self, server: Any, status: str, what: str) -> None:
        seen: list[Any] = []

        def ended() -> bool:
            seen[:] = [self._sdk.compute.get_server(server.id)]
            if seen[0].task_state is not None:
                return False
            return seen[0].status in {status, "ERROR"}

        self._witness.wait(ended, f"end of {what} of {server.name}")
        if seen[0].status != status:
            raise StepFailed(f"{server.name} is in error: {seen[0].fault}")
