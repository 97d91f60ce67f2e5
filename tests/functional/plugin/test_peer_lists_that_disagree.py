# SPDX-License-Identifier: Apache-2.0
"""The operator changed peer_list on some of the hosts only."""

from __future__ import annotations

from tests.functional.plugin.conftest import HOSTS
from tests.functional.plugin.expected_ring import owners_by_ring
from tests.functional.plugin.nova_in_process import Nova

#: Seconds between two resource tracker runs.
INTERVAL = 60
HOURS = 4


def test_rows_do_not_ping_pong(nova: Nova, nodes: list[str]) -> None:
    nova.configure(["c1"], peer_list=["c1", "c2"])
    nova.running["c1"].driver.reload_settings()

    for _ in range(HOURS * 3600 // INTERVAL // 6):
        # Six runs an hour are enough to see who wins.
        nova.clock.advance(6 * INTERVAL)
        nova.run()

    # Patience doubles up to an hour; a row that followed each run would
    # have moved with every one of these 40 rounds.
    assert max(nova.rows.moves().values()) <= 2 * (6 + HOURS)
    assert not nova.rows.removals()


def test_it_settles_as_soon_as_the_lists_agree(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(["c1"], peer_list=["c1", "c2"])
    nova.running["c1"].driver.reload_settings()
    nova.settle()
    nova.settle()

    nova.configure(["c1"], peer_list=list(HOSTS))
    nova.running["c1"].driver.reload_settings()
    nova.settle()
    nova.settle()

    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.reporters() == {n: [h] for n, h in nova.owners().items()}


def test_the_dispute_can_be_seen_in_the_reason(
    nova: Nova, nodes: list[str]
) -> None:
    nova.configure(["c1"], peer_list=["c1", "c2"])
    nova.running["c1"].driver.reload_settings()
    nova.settle()
    nova.settle()

    reasons = {
        verdict.reason
        for compute in nova.running.values()
        for verdict in compute.driver.partition.snapshot.waiting.values()
    }

    assert any("another peer_list" in reason for reason in reasons)
