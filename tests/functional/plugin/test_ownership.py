# SPDX-License-Identifier: Apache-2.0
"""Three computes that are up share the free nodes of one group."""

from __future__ import annotations

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova


def test_each_node_has_the_one_owner_that_the_ring_names(
    nova: Nova, nodes: list[str]
) -> None:
    expected = owners_by_ring(nodes, HOSTS)

    assert nova.owners() == expected
    assert nova.reporters() == {n: [host] for n, host in expected.items()}
    assert set(expected.values()) == set(HOSTS)


@pytest.mark.parametrize("points", [1, 32])
def test_the_number_of_points_is_the_one_that_is_configured(
    nova: Nova, bare_metal: BareMetal, points: int
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    nova.configure(HOSTS, points=points)
    for host in HOSTS:
        nova.start(host)

    nova.run()

    assert nova.owners() == owners_by_ring(nodes, HOSTS, points)


def test_more_runs_change_nothing(nova: Nova, nodes: list[str]) -> None:
    before = nova.owners()

    for _ in range(3):
        nova.clock.advance(600)
        nova.run()

    assert nova.owners() == before
    assert nova.rows.events == []
    assert nova.log.warnings == []
    assert nova.log.errors == []


def test_each_node_is_a_resource_provider_of_its_class(
    nova: Nova, nodes: list[str]
) -> None:
    assert nova.providers() == set(nodes)
    for node in nodes:
        inventory = nova.inventory(node)
        assert set(inventory) == {"CUSTOM_BAREMETAL"}
        assert inventory["CUSTOM_BAREMETAL"]["total"] == 1


def test_a_new_node_is_found_by_its_owner_at_the_next_run(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    (new,) = bare_metal.enrol(1, GROUP)

    nova.run()

    assert nova.owners()[new] == owners_by_ring([new], HOSTS)[new]
    assert nova.rows.creations() == {new: 1}
    assert not nova.rows.moves()


def test_a_node_with_an_instance_belongs_to_the_host_of_the_instance(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    node = next(n for n, h in nova.owners().items() if h == "c1")
    instance = nova.place_instance("c1", node)
    bare_metal.api.update_node(node, instance_id=instance)
    # A ring of other hosts only must not matter for it.
    nova.set_service("c1", disabled=True)

    nova.settle()

    assert nova.owners()[node] == "c1"
    assert nova.reporters()[node] == ["c1"]


def test_a_node_with_an_unknown_instance_is_reported_by_nobody(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    node = nodes[0]
    before = nova.owners()
    bare_metal.api.update_node(
        node, instance_id="7d7b3c1b-1d33-4a73-9b0e-5ab0b1ab1d11"
    )

    nova.settle()

    assert node not in nova.reporters()
    assert nova.owners() == before
    assert nova.providers() == set(nodes)
