# SPDX-License-Identifier: Apache-2.0
"""Peers crash, come back, and new ones join."""

from __future__ import annotations

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import (
    DOWN_TIME,
    SETTLE,
    Nova,
)


def of_host(nova: Nova, host: str) -> set[str]:
    return {node for node, owner in nova.owners().items() if owner == host}


def test_the_free_nodes_of_a_dead_peer_go_to_the_survivors(
    nova: Nova, nodes: list[str]
) -> None:
    lost = of_host(nova, "c3")
    nova.running["c3"].die()

    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, ["c1", "c2"])
    assert nova.rows.moves() == dict.fromkeys(lost, 1)
    assert set(map(nova.owners().get, lost)) == {"c1", "c2"}


def test_survivors_wait_for_the_settle_time_first(
    nova: Nova, nodes: list[str]
) -> None:
    before = nova.owners()
    nova.running["c3"].die()
    nova.run()

    nova.clock.advance(SETTLE - 1)
    nova.run()

    assert nova.owners() == before
    assert nova.rows.events == []

    nova.clock.advance(1)
    nova.run()

    assert nova.owners() == owners_by_ring(nodes, ["c1", "c2"])


def test_a_peer_that_is_back_within_the_settle_time_loses_nothing(
    nova: Nova, nodes: list[str]
) -> None:
    before = nova.owners()
    nova.running["c3"].die()
    nova.run()
    nova.clock.advance(SETTLE / 2)
    nova.start("c3")

    nova.settle()

    assert nova.owners() == before
    assert nova.rows.events == []


def test_nodes_with_instances_stay_with_their_dead_host(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    node, *free = sorted(of_host(nova, "c3"))
    bare_metal.api.update_node(
        node, instance_id=nova.place_instance("c3", node)
    )
    nova.run()
    nova.running["c3"].die()

    nova.settle()

    assert nova.owners()[node] == "c3"
    assert node not in nova.reporters()
    assert nova.rows.moves() == dict.fromkeys(free, 1)


def test_a_peer_that_returns_gets_its_nodes_back_in_one_move_each(
    nova: Nova, nodes: list[str]
) -> None:
    lost = of_host(nova, "c3")
    nova.running["c3"].die()
    nova.settle()
    nova.rows.clear()

    nova.start("c3")
    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.reporters() == {n: [h] for n, h in nova.owners().items()}
    assert nova.rows.moves() == dict.fromkeys(lost, 1)


def test_a_returning_peer_takes_nothing_that_is_not_given_away_yet(
    nova: Nova, nodes: list[str]
) -> None:
    nova.running["c3"].die()
    nova.settle()
    nova.rows.clear()

    nova.start("c3")
    nova.clock.advance(SETTLE - 1)
    nova.run("c3")

    assert nova.rows.events == []
    assert nova.running["c3"].reported == set()


def test_a_restart_moves_nothing(nova: Nova, nodes: list[str]) -> None:
    nova.forget(nova.running["c2"])

    nova.start("c2")

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.running["c2"].reported == of_host(nova, "c2")
    nova.settle()
    assert nova.rows.events == []


def test_a_new_peer_gets_its_share_and_nothing_else_moves(
    nova: Nova, nodes: list[str]
) -> None:
    hosts = [*HOSTS, "c4"]
    before = nova.owners()
    nova.configure(hosts, partition_key="rack-a", peer_list=hosts)
    for compute in nova.running.values():
        compute.driver.reload_settings()

    nova.start("c4")
    nova.settle()

    after = owners_by_ring(nodes, hosts)
    assert nova.owners() == after
    changed = [node for node in nodes if after[node] != before[node]]
    assert nova.rows.moves() == dict.fromkeys(changed, 1)
    assert {after[node] for node in changed} == {"c4"}


def test_two_of_three_peers_can_die_one_after_the_other(
    nova: Nova, nodes: list[str]
) -> None:
    nova.running["c3"].die()
    nova.settle()
    nova.running["c2"].die()
    nova.settle()

    assert nova.owners() == dict.fromkeys(nodes, "c1")
    assert max(nova.rows.moves().values()) <= 2


def test_a_peer_whose_heartbeat_is_late_once_keeps_its_nodes(
    nova: Nova, nodes: list[str]
) -> None:
    before = nova.owners()
    nova.run()
    nova.running["c2"].hangs = True
    nova.clock.advance(DOWN_TIME)
    nova.run("c1", "c3")
    assert "c2 is down" in nova.log.warnings[-1]
    nova.running["c2"].hangs = False
    nova.clock.advance(SETTLE - 1)

    nova.settle()

    assert nova.owners() == before
    assert nova.rows.events == []


@pytest.mark.parametrize("seconds", [-3600, 61, 3600])
def test_a_peer_whose_clock_is_wrong_is_alive(
    nova: Nova, nodes: list[str], seconds: int
) -> None:
    before = nova.owners()
    for _ in range(4):
        nova.age_heartbeat("c2", seconds)
        nova.run("c1", "c3")
        nova.clock.advance(SETTLE)

    assert nova.owners() == before
    assert nova.rows.events == []
    assert nova.log.warnings == []
