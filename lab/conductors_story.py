# SPDX-License-Identifier: Apache-2.0
"""The story of several conductors: what is done to them, what must come of it.

Three conductors and two API processes share RabbitMQ and PostgreSQL. One is
killed in the middle of deployments, one is stopped by its operator, the
broker is restarted; each step ends when nothing is left half done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.bare_metal_cluster import HARDWARE_TYPE, BareMetalCluster
from lab.screen import Screen
from lab.table import render
from lab.waiting import TimedOut, wait_for
from lab.witness import StepFailed

NODES = 60
DEPLOYMENTS = 18
DEPLOY_SECONDS = 15
PATIENCE = 120.0

#: States in which a conductor works on a node or waits for one.
_UNSTABLE = (
    "verifying",
    "cleaning",
    "clean wait",
    "deploying",
    "wait call-back",
    "deleting",
    "inspecting",
)


class ConductorsStory:
    """Plays the steps on a cluster whose processes run."""

    def __init__(self, cluster: BareMetalCluster, screen: Screen) -> None:
        self._cluster = cluster
        self._screen = screen
        self._uuids: list[str] = []
        self._victim = ""
        self._lost: list[str] = []

    def play(self) -> None:
        """All steps, in order.

        :raises StepFailed: something did not come true in time
        """
        steps: list[tuple[str, Callable[[], None]]] = [
            (f"Enrol {NODES} nodes through two APIs", self._enrol),
            ("kill -9 a conductor in mid-deployment", self._kill),
            ("Deploy again what failed", self._retry),
            ("It comes back", self._revive),
            ("Another one is drained with SIGTERM", self._drain),
            ("The broker restarts", self._restart_broker),
            ("Tear down", self._tear_down),
        ]
        for number, (title, step) in enumerate(steps, 1):
            self._screen.heading(f"{number}/{len(steps)}  {title}")
            started = time.monotonic()
            step()
            self._check_nothing_left()
            self._show()
            self._screen.did(
                f"step {number} took {time.monotonic() - started:.1f} s"
            )

    def _enrol(self) -> None:
        self._screen.say(
            """Each API creates half of them. A request goes to the conductor
            that the hash ring of its group and hardware type names, by
            oslo.messaging; whoever asks, gets the same answer."""
        )
        for number in range(NODES):
            api = self._cluster.apis[number % len(self._cluster.apis)]
            node = api.baremetal.create_node(
                name=f"node-{number:02d}",
                driver=HARDWARE_TYPE,
                driver_info={"fake_deploy_delay": DEPLOY_SECONDS},
            )
            self._uuids.append(node.id)
        for verb, state in (
            ("manage", "manageable"),
            ("provide", "available"),
        ):
            self._order(self._uuids, verb)
            self._wait_states(self._uuids, state)
        views = {
            tuple(
                (n["uuid"], n["conductor"])
                for n in api.nodes("uuid", "conductor")
            )
            for api in self._cluster.apis
        }
        if len(views) != 1:
            raise StepFailed("the APIs disagree about the nodes' conductors")
        if len(self._cluster.shares()) != len(self._cluster.plan.conductors):
            raise StepFailed("not every conductor has nodes")

    def _kill(self) -> None:
        chosen = self._uuids[:DEPLOYMENTS]
        self._order(chosen, "active")
        self._victim = self._cluster.shares().most_common(1)[0][0]
        self._lost = [
            node["uuid"]
            for node in self._cluster.api.nodes("uuid", "conductor")
            if node["conductor"] == self._victim and node["uuid"] in chosen
        ]
        self._screen.say(
            f"""{DEPLOYMENTS} deployments of {DEPLOY_SECONDS} s have begun,
            {len(self._lost)} of them on {self._victim}: kill -9."""
        )
        self._cluster.conductors[self._victim].kill()
        killed = time.monotonic()
        self._wait_states(self._lost, "deploy failed")
        self._screen.did(
            f"its deployments failed {time.monotonic() - killed:.1f} s later"
            " and say why:"
        )
        node = self._node(self._lost[0])
        self._screen.block(str(node["last_error"]))
        if self._victim not in str(node["last_error"]):
            raise StepFailed(f"last_error does not name {self._victim}")
        rest = [uuid for uuid in chosen if uuid not in self._lost]
        self._wait_states(rest, "active")
        self._screen.did(f"{len(rest)} on the others are active")
        if self._victim in self._cluster.shares():
            raise StepFailed(f"nodes still belong to {self._victim}")

    def _retry(self) -> None:
        self._order(self._lost, "active")
        self._wait_states(self._lost, "active")
        self._screen.did("active, on the conductors that took them over")

    def _revive(self) -> None:
        self._cluster.conductors[self._victim].start()
        self._cluster.conductors[self._victim].wait_ready()
        for api in self._cluster.apis:
            self._cluster.wait_alive(self._cluster.plan.conductors, api)
        wait_for(
            lambda: self._victim in self._cluster.shares(),
            PATIENCE,
            f"nodes of {self._victim}",
        )

    def _drain(self) -> None:
        leaver = next(
            host
            for host in self._cluster.plan.conductors
            if host != self._victim
        )
        process = self._cluster.conductors[leaver]
        chosen = self._uuids[DEPLOYMENTS : 2 * DEPLOYMENTS]
        self._order(chosen, "active")
        process.stop(grace=PATIENCE)
        if process.exit_status != 0:
            raise StepFailed(f"{leaver} ended with {process.exit_status}")
        self._wait_states(chosen, "active")
        self._screen.did(
            f"{leaver} finished its deployments and left; none failed"
        )
        process.start()
        process.wait_ready()
        for api in self._cluster.apis:
            self._cluster.wait_alive(self._cluster.plan.conductors, api)

    def _restart_broker(self) -> None:
        chosen = self._uuids[:6]
        self._cluster.rabbitmq.restart()
        self._screen.did("RabbitMQ was stopped and started")

        def rebooted() -> bool:
            for uuid in chosen:
                self._cluster.api.baremetal.set_node_power_state(
                    uuid, "rebooting"
                )
            return True

        self._try_until_served(rebooted)
        self._wait(
            lambda: (
                not any(
                    self._node(uuid)["target_power_state"] for uuid in chosen
                )
            ),
            "end of the reboots",
        )
        self._screen.did("requests are served again")

    def _tear_down(self) -> None:
        deployed = self._uuids[: 2 * DEPLOYMENTS]
        self._order(deployed, "deleted")
        self._wait_states(self._uuids, "available")

    def _order(self, uuids: Sequence[str], verb: str) -> None:
        for number, uuid in enumerate(uuids):
            api = self._cluster.apis[number % len(self._cluster.apis)]
            api.baremetal.set_node_provision_state(uuid, verb)

    def _try_until_served(self, call: Callable[[], bool]) -> None:
        from openstack.exceptions import HttpException

        def served() -> bool:
            try:
                return call()
            except HttpException as error:
                if error.status_code not in (409, 503):
                    raise
                return False

        self._wait(served, "answer other than 503")

    def _node(self, uuid: str) -> dict[str, Any]:
        node: dict[str, Any] = self._cluster.api.get(f"/nodes/{uuid}")
        return node

    def _wait_states(self, uuids: Sequence[str], state: str) -> None:
        wanted = set(uuids)

        def reached() -> bool:
            nodes = self._cluster.api.nodes("uuid", "provision_state")
            return {state} == {
                n["provision_state"] for n in nodes if n["uuid"] in wanted
            }

        self._wait(reached, f"{len(wanted)} nodes that are {state}")

    def _wait(self, predicate: Callable[[], object], what: str) -> None:
        try:
            wait_for(predicate, PATIENCE, what, every=0.5)
        except TimedOut as error:
            raise StepFailed(str(error)) from error

    def _check_nothing_left(self) -> None:
        """No node half done, no lease without an operation."""

        def quiet() -> bool:
            nodes = self._cluster.api.nodes("provision_state", "reservation")
            return not any(
                n["provision_state"] in _UNSTABLE or n["reservation"]
                for n in nodes
            )

        self._wait(quiet, "rest of all nodes")
        if leases := self._cluster.query("SELECT * FROM leases"):
            raise StepFailed(f"leases of nobody: {leases}")

    def _show(self) -> None:
        shares = self._cluster.shares()
        rows = [
            (
                one["hostname"],
                "alive" if one["alive"] else "not alive",
                shares.get(one["hostname"], 0),
            )
            for one in self._cluster.api.get("/conductors")["conductors"]
        ]
        self._screen.block(render(("conductor", "state", "nodes"), rows))
