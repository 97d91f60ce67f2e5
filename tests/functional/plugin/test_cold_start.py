# SPDX-License-Identifier: Apache-2.0
"""All services of a partition start for the first time."""

from __future__ import annotations

import pytest

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova


@pytest.mark.parametrize(
    "order", [("c1", "c2", "c3"), ("c3", "c1", "c2")], ids=str
)
def test_each_row_is_created_once_and_never_moves(
    nova: Nova, bare_metal: BareMetal, order: tuple[str, ...]
) -> None:
    nodes = bare_metal.enrol(4, GROUP)

    for host in order:
        nova.start(host)
        nova.run()
        nova.clock.advance(10)
    for _ in range(2):
        nova.run()
        nova.clock.advance(60)

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.rows.creations() == dict.fromkeys(nodes, 1)
    assert not nova.rows.moves()
    assert not nova.rows.removals()


def test_the_last_one_completes_the_ring_without_a_wait(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    for host in HOSTS:
        nova.start(host)

    nova.run()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)


def test_nothing_is_claimed_while_peers_are_missing(
    nova: Nova, bare_metal: BareMetal
) -> None:
    bare_metal.enrol(3, GROUP)
    nova.start("c1")
    nova.start("c2")

    nova.run()

    assert nova.owners() == {}


def test_those_who_came_share_all_after_the_settle_time(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    nova.start("c1")
    nova.start("c2")

    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, ["c1", "c2"])
    assert not nova.rows.moves()


def test_a_latecomer_gets_its_share_in_one_move_each(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nodes = bare_metal.enrol(4, GROUP)
    nova.start("c1")
    nova.start("c2")
    nova.settle()

    nova.start("c3")
    nova.settle()

    expected = owners_by_ring(nodes, HOSTS)
    assert nova.owners() == expected
    assert nova.rows.creations() == dict.fromkeys(nodes, 1)
    assert nova.rows.moves() == dict.fromkeys(
        [node for node in nodes if expected[node] == "c3"], 1
    )
