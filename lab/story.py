# SPDX-License-Identifier: Apache-2.0
"""The demo's story: what is done to the cloud, and what must come of it.

A step does what an operator would do, waits until the invariants hold, and
shows who owns what. A step whose invariant does not come true in time ends
the story with StepFailed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lab import controller_step, owners_table
from lab.cloud import Cloud
from lab.controller_step import ControllerStep
from lab.invariants import Expectation, Node
from lab.operator_actions import Operator
from lab.owners_table import HostLine
from lab.screen import Screen
from lab.witness import StepFailed, Witness

GROUP, OTHER_GROUP = "rack-a", "rack-b"
NODES = {GROUP: 40, OTHER_GROUP: 20}
RESOURCE_CLASS = "baremetal"


class Story:
    """Plays the steps on a cloud whose services run, short of computes."""

    def __init__(self, cloud: Cloud, screen: Screen) -> None:
        self._cloud = cloud
        self._screen = screen
        self._witness = Witness(cloud, Expectation(GROUP, cloud.plan.hosts))
        self._operator = Operator(cloud, self._witness, screen)
        self._away = ""

    def prepare(self) -> None:
        """The first two steps, and what a user needs to order servers."""
        self._enrol()
        self._start_computes()
        self._operator.prepare(RESOURCE_CLASS)
        self._show_owners()

    def play(self) -> None:
        """All steps, in order.

        :raises StepFailed: an invariant did not come true
        """
        steps: list[tuple[str, Callable[[], None]]] = [
            ("Enrol 60 nodes in two racks", self._enrol),
            ("Three nova-computes share rack-a", self._start_computes),
            ("Boot two servers", self._boot),
            ("Move nodes between the racks", self._move_nodes),
            ("Take a peer out, without a restart", self._remove_peer),
            ("Put it back", self._return_peer),
            ("A mistake in peer_list", self._break_peer_list),
            ("A nova-compute dies", self._kill),
            ("It comes back", self._revive),
            ("Delete the servers", self._delete),
            ("A server on a machine with a controller", self._control),
        ]
        for number, (title, step) in enumerate(steps, 1):
            self._screen.heading(f"{number}/{len(steps)}  {title}")
            self._witness.moves.restart()
            started = time.monotonic()
            step()
            self._show_owners()
            self._screen.did(
                f"step {number} took {time.monotonic() - started:.1f} s"
                + self._witness.moves_text()
            )

    def _enrol(self) -> None:
        self._screen.say(
            f"""{NODES[GROUP]} fake nodes go into conductor group {GROUP} and
            {NODES[OTHER_GROUP]} into {OTHER_GROUP}, through the bare metal
            API: enroll -> manageable -> available."""
        )
        for group, count in NODES.items():
            self._cloud.enrol_nodes(count, group, RESOURCE_CLASS)
        states = Counter(node.state for node in self._cloud.world().nodes)
        if states != {"available": sum(NODES.values())}:
            raise StepFailed(f"not all nodes are available: {dict(states)}")

    def _start_computes(self) -> None:
        hosts = ", ".join(self._cloud.plan.hosts)
        self._screen.say(
            f"""{hosts} have partition_key = {GROUP} and peer_list = {hosts}.
            {OTHER_GROUP} belongs to nobody yet: its nodes have no owner, as
            in a rack whose own nova-computes are still to come."""
        )
        self._cloud.start_computes()
        self._screen.did(f"{hosts} run")
        self._settle(f"each node of {GROUP} has the owner that the ring names")
        world = self._cloud.world()
        strays = {n.id for n in world.of_group(OTHER_GROUP)} & set(
            world.owners()
        )
        if strays:
            raise StepFailed(f"nodes of {OTHER_GROUP} have owners: {strays}")

    def _boot(self) -> None:
        self._screen.say(
            """A tiny image, a flavor of one bare metal node, and two servers,
            ordered from nova's API by openstacksdk."""
        )
        self._operator.prepare(RESOURCE_CLASS)
        self._operator.boot("web", "db")
        self._settle("the servers' nodes belong to the servers' hosts")
        if len(self._cloud.server_hosts()) != 2:
            raise StepFailed("two servers do not have two nodes")

    def _move_nodes(self) -> None:
        leaving, coming = self._free_node(GROUP), self._free_node(OTHER_GROUP)
        last_owner = self._cloud.owners()[leaving.id]
        self._screen.say(
            f"""{leaving.name} goes to {OTHER_GROUP}, {coming.name} comes to
            {GROUP}: one change of conductor_group each, nothing else."""
        )
        baremetal = self._cloud.backend.connect()
        baremetal.update_node(leaving.id, conductor_group=OTHER_GROUP)
        baremetal.update_node(coming.id, conductor_group=GROUP)
        self._settle(f"{coming.name} has an owner")
        self._witness.wait(
            lambda: self._witness.reported() == NODES[GROUP],
            f"last report of {leaving.name}",
        )
        row = self._cloud.owners().get(leaving.id)
        if row not in {None, last_owner}:
            raise StepFailed(f"{leaving.name} went to {row}")
        kept = "; nova keeps its last record" if row else ""
        self._screen.did(f"{last_owner} reports {leaving.name} no more{kept}")

    def _remove_peer(self) -> None:
        leaver = self._away = self._host_without_server()
        rest = self._all_but(leaver)
        self._screen.say(
            f"""{leaver} shall go. The operator disables its service, so that
            it lets go of its free nodes; edits peer_list on
            {" and ".join(rest)} and sends them SIGHUP; then stops {leaver}
            with SIGTERM."""
        )
        pids = self._pids(rest)
        self._operator.disable(leaver)
        self._operator.configure(rest, rest)
        self._witness.expect(rest)
        self._settle(f"{' and '.join(rest)} have all nodes")
        if self._pids(rest) != pids:
            raise StepFailed(f"the processes of {rest} are others than before")
        self._operator.terminate(leaver)

    def _return_peer(self) -> None:
        hosts = self._cloud.plan.hosts
        self._screen.say(
            f"""{self._away} is started and enabled, and goes back into the
            lists of the others by another SIGHUP."""
        )
        self._operator.start(self._away)
        self._operator.enable(self._away)
        self._operator.configure(self._all_but(self._away), hosts)
        self._witness.expect(hosts)
        self._settle("the nodes are spread over all three again")

    def _break_peer_list(self) -> None:
        host, *others = self._cloud.plan.hosts
        compute = self._cloud.compute(host)
        self._screen.say(
            f"""Someone edits {compute.conf.name}, forgets {host} itself, and
            sends SIGHUP."""
        )
        mark = len(compute.log_text())

        def errors() -> list[str]:
            lines = compute.log_since(mark).splitlines()
            return [line for line in lines if " ERROR " in line]

        self._operator.configure([host], others)
        self._witness.wait(errors, f"ERROR in the log of {host}")
        # Two runs of the resource tracker, in which nothing may happen.
        self._witness.watch_calm(
            2.5 * self._cloud.plan.timers.resources,
            "the new peer_list was refused",
        )
        self._screen.did("the owners are the same, and the log says:")
        self._screen.block("\n".join(errors()))
        if len(errors()) != 1:
            raise StepFailed(f"{len(errors())} errors instead of one")
        self._operator.configure([host], self._cloud.plan.hosts)
        self._settle("repaired, the same way")

    def _kill(self) -> None:
        hosts = self._cloud.server_hosts()
        victim = self._away = hosts[min(hosts)]
        self._screen.say(
            f"""kill -9 for {victim}, which has a server. Its free nodes go to
            the others once nova takes it for dead
            ({self._cloud.plan.timers.down} s); its server's node stays."""
        )
        self._cloud.compute(victim).kill()
        self._witness.expect(self._all_but(victim))
        self._settle("the survivors have its free nodes")

    def _revive(self) -> None:
        self._operator.start(self._away)
        self._witness.expect(self._cloud.plan.hosts)
        self._settle(f"{self._away} has its nodes again")

    def _delete(self) -> None:
        self._operator.delete_servers()
        self._witness.wait(
            lambda: all(
                node.state == "available" for node in self._cloud.world().nodes
            ),
            "60 available nodes",
        )
        self._settle("all 60 nodes are available, and owned as at first")

    def _control(self) -> None:
        self._screen.say(
            f"""One more node comes to {GROUP}, of hardware type
            {controller_step.DRIVER}. A server is booted there, rebooted,
            stopped, started and deleted, through nova's API. Its controller is
            a real ipmi_sim, which notes what it did."""
        )
        ControllerStep(
            self._cloud, GROUP, self._operator, self._witness, self._screen
        ).play()

    def _settle(self, goal: str) -> None:
        self._witness.settle(goal)
        self._screen.did(goal)

    def _all_but(self, host: str) -> list[str]:
        return [other for other in self._cloud.plan.hosts if other != host]

    def _pids(self, hosts: list[str]) -> list[int]:
        processes = [self._cloud.compute(host).process for host in hosts]
        return [process.pid for process in processes if process.is_running]

    def _free_node(self, group: str) -> Node:
        nodes = self._cloud.world().of_group(group)
        return next(node for node in nodes if not node.instance)

    def _host_without_server(self) -> str:
        taken = set(self._cloud.server_hosts().values())
        hosts = self._cloud.plan.hosts
        return next(host for host in reversed(hosts) if host not in taken)

    def _show_owners(self) -> None:
        lines = [
            HostLine(
                host=host,
                state=self._cloud.state_of(host),
                peers=self._cloud.compute(host).partition.peers or (),
                group=GROUP,
            )
            for host in self._cloud.plan.hosts
        ]
        self._screen.block(
            owners_table.render(self._cloud.world(), lines, list(NODES))
        )
