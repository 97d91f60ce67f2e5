# SPDX-License-Identifier: Apache-2.0
"""What a running service does with a changed configuration."""

from __future__ import annotations

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova


def reload(nova: Nova, *hosts: str) -> None:
    for host in hosts:
        nova.running[host].driver.reload_settings()


def test_a_good_change_after_a_bad_one_is_applied(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(["c1"], peer_list=[])
    reload(nova, "c1")
    nova.configure(["c1"], peer_list=["c1"])
    nova.running["c2"].die()
    nova.running["c3"].die()

    reload(nova, "c1")

    assert nova.running["c1"].reported == set(nodes)


def test_a_stopped_peer_that_is_taken_from_the_list_loses_its_nodes_at_once(
    nova: Nova, nodes: list[str]
) -> None:
    rest = ["c1", "c2"]
    lost = [node for node, host in nova.owners().items() if host == "c3"]
    nova.running["c3"].die()
    nova.configure(rest, peer_list=rest)

    reload(nova, *rest)

    expected = owners_by_ring(nodes, rest)
    assert nova.reporters() == {n: [host] for n, host in expected.items()}
    nova.run()
    assert nova.owners() == expected
    assert nova.rows.moves() == dict.fromkeys(lost, 1)


def test_a_running_peer_that_is_taken_from_the_list_is_left_alone_for_a_while(
    nova: Nova, nodes: list[str]
) -> None:
    before = nova.owners()
    rest = ["c1", "c2"]
    nova.configure(rest, peer_list=rest)

    reload(nova, *rest)
    nova.run(*rest)

    assert nova.owners() == before


def test_a_service_can_change_its_group(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    other = bare_metal.enrol(2, "rack-b")
    rest = ["c1", "c2"]
    nova.configure(["c3"], partition_key="rack-b", peer_list=["c3"])
    nova.configure(rest, peer_list=rest)

    reload(nova, *HOSTS)
    assert nova.running["c3"].reported == set(other)
    # What c3 announced before still stands in the rows that it left.
    nova.settle()
    nova.settle()

    assert nova.owners() == {
        **owners_by_ring(nodes, rest),
        **dict.fromkeys(other, "c3"),
    }
    assert not nova.rows.removals()


def test_other_points_are_applied_with_one_move_each(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(HOSTS, points=32)

    reload(nova, *HOSTS)
    nova.settle()

    before = owners_by_ring(nodes, HOSTS)
    after = owners_by_ring(nodes, HOSTS, points=32)
    assert nova.owners() == after
    assert nova.rows.moves() == dict.fromkeys(
        [node for node in nodes if before[node] != after[node]], 1
    )


def test_a_reload_without_a_change_says_nothing(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(["c1"], peer_list=["C3", "c2", "c1", "c1"])

    reload(nova, "c1")

    assert nova.log.warnings == []
    assert nova.log.errors == []
    assert nova.running["c1"].driver.partition.settings.scope.key is not None
    assert nova.rows.events == []


def test_the_shared_key_may_come_under_its_other_name(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(HOSTS, partition_key=None, conductor_group=GROUP)

    reload(nova, *HOSTS)
    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.rows.events == []
