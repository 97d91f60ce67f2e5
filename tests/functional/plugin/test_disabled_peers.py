# SPDX-License-Identifier: Apache-2.0
"""An operator disables a service, or declares it down."""

from __future__ import annotations

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova

FLAGS = ["disabled", "forced_down"]


@pytest.mark.parametrize("flag", FLAGS)
def test_it_gives_up_its_nodes_in_its_own_eyes_too(
    nova: Nova, nodes: list[str], flag: str
) -> None:
    nova.set_service("c3", **{flag: True})

    nova.run("c3")

    assert nova.running["c3"].reported == set()
    assert not nova.rows.removals()


@pytest.mark.parametrize("flag", FLAGS)
def test_its_peers_take_its_nodes_in_one_move_each(
    nova: Nova, nodes: list[str], flag: str
) -> None:
    lost = [node for node, host in nova.owners().items() if host == "c3"]
    nova.set_service("c3", **{flag: True})

    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, ["c1", "c2"])
    assert nova.reporters() == {n: [h] for n, h in nova.owners().items()}
    assert nova.rows.moves() == dict.fromkeys(lost, 1)


def test_it_gets_them_back_in_one_move_each(
    nova: Nova, nodes: list[str]
) -> None:
    lost = [node for node, host in nova.owners().items() if host == "c3"]
    nova.set_service("c3", disabled=True)
    nova.settle()
    nova.rows.clear()
    nova.set_service("c3", disabled=False)

    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.rows.moves() == dict.fromkeys(lost, 1)


def test_it_keeps_its_nodes_with_instances(
    nova: Nova, nodes: list[str], bare_metal: BareMetal
) -> None:
    node = next(n for n, host in nova.owners().items() if host == "c3")
    bare_metal.api.update_node(
        node, instance_id=nova.place_instance("c3", node)
    )
    nova.set_service("c3", disabled=True)

    nova.settle()

    assert nova.owners()[node] == "c3"
    assert nova.running["c3"].reported == {node}


def test_when_all_are_disabled_every_row_stays(
    nova: Nova, nodes: list[str]
) -> None:
    before = nova.owners()
    for host in HOSTS:
        nova.set_service(host, disabled=True)

    nova.settle()

    assert nova.reporters() == {}
    assert nova.owners() == before
    assert nova.providers() == set(nodes)


def test_the_reason_is_logged_once(nova: Nova, nodes: list[str]) -> None:
    nova.set_service("c3", disabled=True)

    for _ in range(3):
        nova.run("c1")

    assert nova.log.warnings == [
        "Members of the ring: c1, c2 (c3 is disabled)."
    ]
