# SPDX-License-Identifier: Apache-2.0
"""An operator moves a node to another conductor group."""

from __future__ import annotations

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP
from tests.functional.plugin.nova_in_process import Nova


@pytest.fixture
def rack_a(nova: Nova, bare_metal: BareMetal) -> list[str]:
    """Nodes of c1 alone; c3 manages the empty group rack-b."""
    nodes = bare_metal.enrol(3, GROUP)
    nova.configure(["c1"], peer_list=["c1"])
    nova.configure(["c3"], partition_key="rack-b", peer_list=["c3"])
    nova.start("c1")
    nova.start("c3")
    nova.settle()
    nova.clock.advance(600)
    nova.run()
    assert nova.owners() == dict.fromkeys(nodes, "c1")
    nova.rows.clear()
    return nodes


@pytest.mark.parametrize("order", [("c3", "c1"), ("c1", "c3")], ids=str)
def test_it_is_picked_up_by_the_new_group_and_dropped_by_the_old_one(
    nova: Nova, bare_metal: BareMetal, rack_a: list[str], order: tuple[str]
) -> None:
    bare_metal.move_to_group(rack_a[0], "rack-b")

    nova.run(*order)

    assert nova.owners()[rack_a[0]] == "c3"
    assert nova.reporters()[rack_a[0]] == ["c3"]
    assert nova.rows.moves() == {rack_a[0]: 1}
    assert not nova.rows.removals()
    assert nova.providers() == set(rack_a)


def test_it_comes_back_the_same_way(
    nova: Nova, bare_metal: BareMetal, rack_a: list[str]
) -> None:
    bare_metal.move_to_group(rack_a[0], "rack-b")
    nova.run()
    bare_metal.move_to_group(rack_a[0], GROUP)

    nova.run()

    assert nova.reporters()[rack_a[0]] == ["c1"]
    assert nova.owners() == dict.fromkeys(rack_a, "c1")
    assert nova.rows.moves() == {rack_a[0]: 2}


def test_a_group_without_a_compute_leaves_the_row_where_it_was(
    nova: Nova, bare_metal: BareMetal, rack_a: list[str]
) -> None:
    bare_metal.move_to_group(rack_a[0], "rack-z")

    nova.run()

    assert rack_a[0] not in nova.reporters()
    assert nova.owners() == dict.fromkeys(rack_a, "c1")
    assert nova.rows.events == []


def test_with_an_instance_it_stays_with_the_host_of_the_instance(
    nova: Nova, bare_metal: BareMetal, rack_a: list[str]
) -> None:
    node = rack_a[0]
    instance = nova.place_instance("c1", node)
    bare_metal.api.update_node(node, instance_id=instance)
    nova.run()
    bare_metal.move_to_group(node, "rack-b")

    nova.run()

    assert nova.owners()[node] == "c1"
    assert nova.reporters()[node] == ["c1"]
    assert nova.rows.events == []
