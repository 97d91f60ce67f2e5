# SPDX-License-Identifier: Apache-2.0
"""Which nodes a compute lists: [ironic]partition_key and its relatives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova


@pytest.fixture
def groups(bare_metal: BareMetal) -> dict[str, list[str]]:
    """Three nodes in each of two groups and in the default group."""
    return {name: bare_metal.enrol(3, name) for name in (GROUP, "rack-b", "")}


@pytest.mark.parametrize(
    ("options", "group"),
    [
        ({"partition_key": GROUP}, GROUP),
        ({"partition_key": "RACK-B"}, "rack-b"),
        ({"partition_key": ""}, ""),
        ({"conductor_group": "rack-b"}, "rack-b"),
        ({"conductor_group": "Rack-B", "partition_key": "rack-b"}, "rack-b"),
    ],
    ids=str,
)
def test_only_the_nodes_of_the_configured_group_are_managed(
    nova: Nova,
    groups: dict[str, list[str]],
    options: dict[str, Any],
    group: str,
) -> None:
    nova.configure(["c1"], partition_key=None, peer_list=["c1"])
    nova.configure(["c1"], **options)

    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(groups[group], "c1")


def test_without_a_key_all_computes_share_all_nodes(
    nova: Nova, groups: dict[str, list[str]]
) -> None:
    nova.configure(HOSTS, partition_key=None, peer_list=[])
    everything = [node for nodes in groups.values() for node in nodes]

    for host in HOSTS:
        nova.start(host)
        nova.settle()
    nova.settle()

    expected = owners_by_ring(everything, HOSTS)
    assert nova.owners() == expected
    assert nova.reporters() == {n: [host] for n, host in expected.items()}


def test_without_a_key_the_peer_list_is_ignored(
    nova: Nova, groups: dict[str, list[str]]
) -> None:
    nova.configure(["c1"], partition_key=None, peer_list=["c2", "c9"])
    nova.start("c1")

    nova.settle()

    assert len(nova.owners()) == 9
    assert set(nova.owners().values()) == {"c1"}


def test_two_groups_of_computes_keep_to_their_own_nodes(
    nova: Nova, groups: dict[str, list[str]]
) -> None:
    nova.configure(["c1", "c2"], peer_list=["c1", "c2"])
    nova.configure(["c3"], partition_key="rack-b", peer_list=["c3"])
    for host in HOSTS:
        nova.start(host)

    nova.settle()

    assert nova.owners() == {
        **owners_by_ring(groups[GROUP], ["c1", "c2"]),
        **dict.fromkeys(groups["rack-b"], "c3"),
    }


def test_a_shard_has_one_compute_whatever_the_peer_list_says(
    nova: Nova, bare_metal: BareMetal
) -> None:
    mine = bare_metal.enrol(2, shard="s1")
    bare_metal.enrol(2, shard="s2")
    bare_metal.enrol(1)
    nova.configure(
        HOSTS, partition_key=None, shard="s1", peer_list=["c1", "c2"]
    )

    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(mine, "c1")


def test_a_shard_within_a_group_is_both_filters(
    nova: Nova, bare_metal: BareMetal
) -> None:
    mine = bare_metal.enrol(2, GROUP, shard="s1")
    bare_metal.enrol(1, GROUP, shard="s2")
    bare_metal.enrol(1, "rack-b", shard="s1")
    nova.configure(["c1"], shard="s1")

    nova.start("c1").run()

    assert nova.owners() == dict.fromkeys(mine, "c1")
