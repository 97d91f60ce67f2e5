# SPDX-License-Identifier: Apache-2.0
"""Nodes of a cluster: brought where a test needs them, and read back."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from lab.bare_metal_cluster import BareMetalCluster
from lab.waiting import wait_for
from tests.backend.running import Http, Reply

PATIENCE = 60.0

#: Verbs that lead from ``enroll`` to a state, with the state after each.
ROADS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "enroll": (),
    "manageable": (("manage", "manageable"),),
    "available": (("manage", "manageable"), ("provide", "available")),
    "active": (
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ),
    "rescue": (
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
        ("rescue", "rescue"),
    ),
}

#: What a request for a verb needs beside its target.
COMPANIONS: Mapping[str, Mapping[str, Any]] = {
    "rescue": {"rescue_password": "open sesame"},
    "clean": {
        "clean_steps": [{"interface": "deploy", "step": "erase_devices"}]
    },
    "service": {
        "service_steps": [{"interface": "bios", "step": "factory_reset"}]
    },
}

_STABLE = frozenset(
    {
        "enroll",
        "manageable",
        "available",
        "active",
        "error",
        "rescue",
        "adopt failed",
        "clean failed",
        "deploy failed",
        "inspect failed",
        "rescue failed",
        "service failed",
        "unrescue failed",
    }
)


class Nodes:
    """Speaks to the APIs in turn."""

    def __init__(self, cluster: BareMetalCluster) -> None:
        self.cluster = cluster
        clients = [Http(api.port) for api in cluster.apis]
        self._turns = itertools.cycle(clients)

    def http(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> Reply:
        """A request to one API or the other."""
        return next(self._turns)(method, path, body, **headers)

    def show(self, node: str) -> dict[str, Any]:
        """The node as the API shows it."""
        return dict(self.http("GET", f"/v1/nodes/{node}").json)

    def history(self, node: str) -> list[dict[str, Any]]:
        """The node's events, oldest first."""
        reply = self.http("GET", f"/v1/nodes/{node}/history?detail=true")
        # Links lead back to the API process that was asked.
        return [
            {key: value for key, value in event.items() if key != "links"}
            for event in reply.json["history"]
        ]

    def on(self, conductor: str, count: int) -> list[str]:
        """New nodes that this conductor serves."""
        found: list[str] = []
        while len(found) < count:
            ident = str(uuid.uuid4())
            reply = self.http(
                "POST",
                "/v1/nodes",
                {"driver": "fake-hardware", "uuid": ident},
            )
            assert reply.status == 201, reply.data
            if self.show(ident)["conductor"] == conductor:
                found.append(ident)
            else:
                self.http("DELETE", f"/v1/nodes/{ident}")
        return found

    def ask(self, node: str, verb: str) -> Reply:
        """Ask for a provisioning verb."""
        return self.http(
            "PUT",
            f"/v1/nodes/{node}/states/provision",
            {"target": verb, **COMPANIONS.get(verb, {})},
        )

    def order(self, node: str, verb: str) -> None:
        """Ask for a verb that must be accepted."""
        reply = self.ask(node, verb)
        assert reply.status == 202, (verb, reply.data)

    def bring(self, node: str, state: str) -> None:
        """Lead a new node to a stable state."""
        for verb, reached in ROADS[state]:
            self.order(node, verb)
            self.wait(node, reached)

    def script(self, node: str, **values: Any) -> None:
        """Tell fake hardware how to behave: ``deploy_delay=10``."""
        patch = [
            {"op": "add", "path": f"/driver_info/fake_{key}", "value": value}
            for key, value in values.items()
        ]
        reply = self.http("PATCH", f"/v1/nodes/{node}", patch)
        assert reply.status == 200, reply.data

    def state(self, node: str) -> str:
        """The node's provision state."""
        return str(self.show(node)["provision_state"])

    def wait(self, node: str, *states: str) -> None:
        """Until the node is in one of these states."""
        wait_for(
            lambda: self.state(node) in states,
            PATIENCE,
            f"{node} that is {' or '.join(states)}",
            every=0.1,
        )

    def wait_all(self, nodes: Iterable[str], *states: str) -> None:
        """Until all of them are."""
        for node in nodes:
            self.wait(node, *states)

    def wait_quiet(self) -> None:
        """Until no node is in an unstable state or in use."""

        def quiet() -> bool:
            listed = self.cluster.api.nodes("provision_state", "reservation")
            return all(
                node["provision_state"] in _STABLE
                and node["reservation"] is None
                for node in listed
            )

        wait_for(quiet, PATIENCE, "rest of all nodes")
