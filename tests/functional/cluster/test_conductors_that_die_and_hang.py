# SPDX-License-Identifier: Apache-2.0
"""A conductor is killed, or stopped for a while, in the middle of each verb.

Afterwards no node is stuck, no lease is left, every interrupted operation
says why it failed, and a conductor that comes back changes nothing.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import pytest

from lab.bare_metal_cluster import BareMetalCluster
from lab.waiting import wait_for
from tests.functional.cluster.conftest import BEATS
from tests.functional.cluster.nodes import PATIENCE, Nodes

VICTIM = "conductor-2"
OTHERS = ("conductor-1", "conductor-3")
#: Longer than others need to notice a death and to act on it.
HANGS = BEATS.timeout + 3 * BEATS.interval


@dataclass(frozen=True)
class Case:
    """A verb, interrupted while fake hardware plays ``operation``."""

    verb: str
    start: str
    operation: str
    during: str
    #: State after the takeover, and whether the verb failed.
    after: str
    fails: bool = True


CASES = (
    Case("manage", "enroll", "verify", "verifying", "manageable", False),
    Case("provide", "manageable", "clean", "cleaning", "clean failed"),
    Case("clean", "manageable", "clean", "cleaning", "clean failed"),
    Case("inspect", "manageable", "inspect", "inspecting", "inspect failed"),
    Case("active", "available", "deploy", "deploying", "deploy failed"),
    Case("rebuild", "active", "deploy", "deploying", "deploy failed"),
    Case("deleted", "active", "undeploy", "deleting", "available", False),
    Case("rescue", "active", "rescue", "rescuing", "rescue failed"),
    Case("unrescue", "rescue", "unrescue", "unrescuing", "unrescue failed"),
    Case("service", "active", "bios", "servicing", "service failed"),
)


@dataclass(frozen=True)
class Interrupted:
    """A node whose verb is being carried out by the victim."""

    case: Case
    uuid: str


def begin_all(nodes: Nodes, seconds: int) -> list[Interrupted]:
    """Each verb under way on the victim, for so many seconds at least."""
    uuids = nodes.on(VICTIM, len(CASES) + 1)
    begun = [
        Interrupted(case, uuid)
        for case, uuid in zip(CASES, uuids, strict=False)
    ]
    for one in begun:
        nodes.bring(one.uuid, one.case.start)
        nodes.script(one.uuid, **{f"{one.case.operation}_delay": seconds})
    for one in begun:
        nodes.order(one.uuid, one.case.verb)
        assert nodes.state(one.uuid) == one.case.during
    switched = uuids[-1]
    nodes.bring(switched, "manageable")
    nodes.script(switched, power_delay=seconds)
    reply = nodes.http(
        "PUT", f"/v1/nodes/{switched}/states/power", {"target": "power on"}
    )
    assert reply.status == 202, reply.data
    begun.append(
        Interrupted(
            Case("power on", "manageable", "power", "", "manageable"),
            switched,
        )
    )
    return begun


def check_taken_over(nodes: Nodes, begun: list[Interrupted]) -> None:
    """Every verb ended by the rule, once, with its reason."""
    for one in begun:
        nodes.wait(one.uuid, one.case.after)
        wait_for(
            lambda uuid=one.uuid: nodes.show(uuid)["reservation"] is None,  # type: ignore[misc]
            PATIENCE,
            f"end of {one.case.verb}",
        )
        shown = nodes.show(one.uuid)
        assert shown["conductor"] in OTHERS
        assert shown["target_power_state"] is None
        if one.case.fails:
            assert VICTIM in shown["last_error"], one.case
        else:
            assert shown["last_error"] is None, one.case
        takeovers = [
            event
            for event in nodes.history(one.uuid)
            if event["event_type"] == "takeover"
        ]
        assert len(takeovers) == 1, (one.case, takeovers)
        assert takeovers[0]["conductor"] in OTHERS


def test_a_kill_in_the_middle_of_each_verb_leaves_nothing_half_done(
    cluster: BareMetalCluster, nodes: Nodes
) -> None:
    begun = begin_all(nodes, seconds=6)
    cluster.conductors[VICTIM].kill()
    check_taken_over(nodes, begun)
    assert cluster.query("SELECT * FROM leases") == []
    for one in begun:
        if one.case.after == "deploy failed":
            nodes.script(one.uuid, deploy_delay=0)
            nodes.order(one.uuid, "active")
            nodes.wait(one.uuid, "active")


def test_a_conductor_that_hung_and_wakes_writes_nothing(
    cluster: BareMetalCluster, nodes: Nodes
) -> None:
    begun = begin_all(nodes, seconds=HANGS)
    process = cluster.conductors[VICTIM]
    before = incarnation(cluster, VICTIM)
    process.signal(signal.SIGSTOP)
    try:
        check_taken_over(nodes, begun)
        written = {one.uuid: row(cluster, one.uuid) for one in begun}
        histories = {one.uuid: nodes.history(one.uuid) for one in begun}
        mark = len(process.log_text())
    finally:
        process.signal(signal.SIGCONT)
    cluster.wait_alive(cluster.plan.conductors)
    assert incarnation(cluster, VICTIM) != before
    # All that it had under way was due while it hung: it wants to write.
    wait_for(
        lambda: process.log_text()[mark:].count("taken away") >= len(begun),
        PATIENCE,
        "refused writes in the log",
    )
    assert {one.uuid: row(cluster, one.uuid) for one in begun} == written
    assert {one.uuid: nodes.history(one.uuid) for one in begun} == histories


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_requests_for_a_lost_conductors_nodes_are_answered_in_bounded_time(
    cluster: BareMetalCluster, nodes: Nodes, number: signal.Signals
) -> None:
    uuid = nodes.on(VICTIM, 1)[0]
    process = cluster.conductors[VICTIM]
    process.signal(number)
    try:
        first = nodes.ask(uuid, "manage")
        assert first.status in (202, 503), first.data
        wait_for(
            lambda: nodes.ask(uuid, "manage").status in (202, 409),
            PATIENCE,
            "answer other than 503",
        )
        nodes.wait(uuid, "manageable")
    finally:
        if number == signal.SIGSTOP:
            process.signal(signal.SIGCONT)


def row(cluster: BareMetalCluster, uuid: str) -> dict[str, Any]:
    """The node's row."""
    (found,) = cluster.query(f"SELECT * FROM nodes WHERE uuid = '{uuid}'")
    return found


def incarnation(cluster: BareMetalCluster, host: str) -> str:
    """The registered incarnation of a conductor."""
    (found,) = cluster.query(
        f"SELECT incarnation FROM conductors WHERE host = '{host}'"
    )
    return str(found["incarnation"])
