# SPDX-License-Identifier: Apache-2.0
"""Nova spells a host in another way than the operator in peer_list."""

from __future__ import annotations

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova


def spelled(owners: dict[str, str], spelling: str) -> dict[str, str]:
    return {
        node: spelling if host == spelling.lower() else host
        for node, host in owners.items()
    }


def test_a_service_in_capitals_is_the_peer_in_small_letters(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    for host in ("C1", "c2", "c3"):
        nova.start(host)

    nova.settle()

    assert nova.owners() == spelled(owners_by_ring(nodes, HOSTS), "C1")
    assert nova.reporters() == {n: [h] for n, h in nova.owners().items()}
    assert nova.rows.creations() == dict.fromkeys(nodes, 1)
    assert not nova.rows.moves()


def test_a_peer_list_in_capitals_names_services_in_small_letters(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    nova.configure(HOSTS, peer_list=["C1", "C2", "C3"])
    for host in HOSTS:
        nova.start(host)

    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert not nova.rows.moves()


def test_its_nodes_with_instances_stay_its_own(
    nova: Nova, bare_metal: BareMetal
) -> None:
    bare_metal.enrol(4, GROUP)
    for host in ("C1", "c2", "c3"):
        nova.start(host)
    nova.settle()
    node = next(n for n, host in nova.owners().items() if host == "C1")
    bare_metal.api.update_node(
        node, instance_id=nova.place_instance("C1", node)
    )
    nova.set_service("C1", disabled=True)

    nova.settle()

    assert nova.running["C1"].reported == {node}
    assert nova.owners()[node] == "C1"
