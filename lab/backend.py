# SPDX-License-Identifier: Apache-2.0
"""The bare metal service of a lab: ``baremetal-backend`` on SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab import conf_files
from lab.invariants import Node
from lab.ports import LOOPBACK, free_port
from lab.processes import Crew
from lab.programs import program
from lab.web import answers

RESOURCE_CLASS = "baremetal"
HARDWARE_TYPE = "fake-hardware"

_MICROVERSION = "1.46"  # the first with conductor groups
_FIELDS = (
    "uuid",
    "name",
    "conductor_group",
    "provision_state",
    "instance_uuid",
)
_VERBS = (("manage", "manageable"), ("provide", "available"))


class Backend:
    """The service's process, and the nodes that are enrolled in it."""

    def __init__(
        self, crew: Crew, extra: conf_files.Sections | None = None
    ) -> None:
        self.port = free_port()
        self._proxy: Any = None
        self.url = f"http://{LOOPBACK}:{self.port}"
        directory = crew.state_dir / "baremetal"
        directory.mkdir(exist_ok=True)
        self.conf = directory / "baremetal-backend.conf"
        self._sections: conf_files.Sections = {
            "DEFAULT": {"auth_strategy": "noauth", "host": "backend"},
            "api": {"host_ip": LOOPBACK, "port": self.port},
            "database": {
                "connection": f"sqlite:///{directory / 'nodes.sqlite'}"
            },
        }
        self.configure(extra or {})
        self.process = crew.process(
            "baremetal-backend",
            [program("baremetal-backend"), f"--config-file={self.conf}"],
            ready=lambda: answers(self.url + "/"),
        )

    def configure(self, sections: conf_files.Sections) -> None:
        """Lay options over those it has; they hold from the next start on."""
        self._sections = conf_files.merge(self._sections, sections)
        conf_files.write(self.conf, self._sections)

    def connect(self) -> Any:
        """Return openstacksdk's bare metal proxy for the service."""
        if self._proxy is None:
            self._proxy = self._connect()
        return self._proxy

    def _connect(self) -> Any:
        import openstack

        return openstack.connect(
            load_envvars=False,
            load_yaml_config=False,
            auth_type="none",
            baremetal_endpoint_override=self.url,
        ).baremetal

    def nodes(self) -> list[Node]:
        """Return all nodes, as the invariants want them."""
        # Not through the SDK's resource objects, which cost half a
        # millisecond each: this is called twice a second while waiting.
        found: list[Node] = []
        url = f"/nodes?fields={','.join(_FIELDS)}"
        while url:
            page = self.connect().get(url, microversion=_MICROVERSION).json()
            found += [
                Node(
                    id=node["uuid"],
                    name=node["name"] or node["uuid"],
                    group=node["conductor_group"],
                    state=node["provision_state"],
                    instance=node["instance_uuid"],
                )
                for node in page["nodes"]
            ]
            url = page.get("next", "")
        return found

    def enrol(
        self,
        count: int,
        conductor_group: str,
        resource_class: str = RESOURCE_CLASS,
        *,
        prefix: str | None = None,
        properties: Mapping[str, object] | None = None,
        driver: str = HARDWARE_TYPE,
        driver_info: Mapping[str, object] | None = None,
    ) -> list[str]:
        """Create nodes and make them available; return their uuids.

        :param prefix: of the nodes' names; the group's name if left out
        """
        baremetal = self.connect()
        nodes = [
            baremetal.create_node(
                name=f"{prefix or conductor_group or 'node'}-{number:02d}",
                driver=driver,
                driver_info=dict(driver_info or {}),
                conductor_group=conductor_group,
                resource_class=resource_class,
                properties={
                    "cpus": 8,
                    "memory_mb": 16384,
                    "local_gb": 100,
                    "cpu_arch": "x86_64",
                    **(properties or {}),
                },
            )
            for number in range(count)
        ]
        for verb, state in _VERBS:
            for node in nodes:
                baremetal.set_node_provision_state(node.id, verb)
            baremetal.wait_for_nodes_provision_state(
                [node.id for node in nodes], state, timeout=120
            )
        return [node.id for node in nodes]
