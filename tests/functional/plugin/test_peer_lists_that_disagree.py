# SPDX-License-Identifier: Apache-2.0
"""The operator changed peer_list on some of the hosts only."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from nova_ironic_partition.partition import Partition
from tests.functional.plugin.conftest import HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import SETTLE, Nova

#: Seconds between two resource tracker runs, and how many of them.
INTERVAL = 120
RUNS = 15


@pytest.fixture
def disputed(nova: Nova, nodes: list[str]) -> set[str]:
    """The nodes that c1 claims since it forgot c3."""
    nova.configure(["c1"], peer_list=["c1", "c2"])
    nova.running["c1"].driver.reload_settings()
    mistaken = owners_by_ring(nodes, ["c1", "c2"])
    right = owners_by_ring(nodes, HOSTS)
    return {n for n in nodes if mistaken[n] == "c1" != right[n]}


@pytest.fixture
def silenced() -> Iterator[None]:
    """Nobody announces anything, as with nova's own driver."""
    with mock.patch.object(Partition, "announcement", return_value=None):
        yield


def test_no_row_moves(
    nova: Nova, nodes: list[str], disputed: set[str]
) -> None:
    before = nova.owners()
    for _ in range(2 * RUNS):
        # Whoever runs less often than that is taken for silent.
        nova.clock.advance(SETTLE)
        nova.run()

    assert disputed
    assert nova.rows.events == []
    assert nova.owners() == before
    assert nova.reporters() == {n: [h] for n, h in before.items()}


def test_rows_of_peers_that_announce_nothing_do_not_ping_pong(
    silenced: None, nova: Nova, disputed: set[str]
) -> None:
    for _ in range(RUNS):
        nova.clock.advance(INTERVAL)
        nova.run("c1", "c3")

    # In half an hour: taken, taken back after 10 settle times, and so on
    # with a patience that doubles. A row that followed each run would have
    # moved 30 times.
    moves = nova.rows.moves()
    assert set(moves) == disputed
    assert max(moves.values()) <= 4
    assert not nova.rows.removals()


def test_the_ring_is_in_force_again_once_the_lists_agree(
    nova: Nova, nodes: list[str], disputed: set[str]
) -> None:
    nova.settle()
    nova.settle()

    nova.configure(["c1"], peer_list=list(HOSTS))
    nova.running["c1"].driver.reload_settings()
    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.reporters() == {n: [h] for n, h in nova.owners().items()}


def test_the_dispute_can_be_seen_in_the_reason(
    nova: Nova, disputed: set[str]
) -> None:
    for _ in range(3):
        nova.settle()

    reasons = {
        verdict.reason
        for compute in nova.running.values()
        for verdict in compute.driver.partition.snapshot.waiting.values()
    }

    assert "the ring names c1, but the ring of c3 names c3" in reasons
