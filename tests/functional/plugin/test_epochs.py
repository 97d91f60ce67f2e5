# SPDX-License-Identifier: Apache-2.0
"""Peers read in Nova's rows what the others believe."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nova import objects
from nova.scheduler import host_manager

from tests.functional.plugin.bare_metal import BareMetal
from tests.functional.plugin.conftest import GROUP, HOSTS
from tests.functional.plugin.expected_ring import POINTS, owners_by_ring
from tests.functional.plugin.nova_in_process import SETTLE, Nova

STATISTIC = "ironic_partition"


def announced(nova: Nova) -> dict[str, dict[str, Any]]:
    """Node -> what its row announces."""
    return {
        row.uuid: json.loads(row.stats[STATISTIC])
        for row in objects.ComputeNodeList.get_all(nova.context)
        if STATISTIC in row.stats
    }


def reload(nova: Nova, host: str, **values: Any) -> None:
    nova.configure([host], **values)
    nova.running[host].driver.reload_settings()


def test_each_peer_announces_its_epoch_in_rows_of_its_own(
    nova: Nova, nodes: list[str]
) -> None:
    nova.run()

    found = announced(nova)
    assert {n: words["host"] for n, words in found.items()} == nova.owners()
    for words in found.values():
        assert words["key"] == GROUP
        assert words["peers"] == words["live"] == sorted(HOSTS)
        assert words["points"] == POINTS
    assert len({words["epoch"] for words in found.values()}) == 1


def test_no_more_than_eight_rows_of_a_host_announce_it(
    nova: Nova, bare_metal: BareMetal
) -> None:
    nova.configure(["c1"], peer_list=["c1"])
    bare_metal.enrol(12, GROUP)
    nova.start("c1").run()

    assert len(nova.owners()) == 12
    assert len(announced(nova)) == 8


def test_the_scheduler_takes_no_notice(nova: Nova, nodes: list[str]) -> None:
    nova.run()
    row = objects.ComputeNode.get_by_host_and_nodename(
        nova.context, nova.owners()[nodes[0]], nodes[0]
    )

    state = host_manager.HostState(row.host, row.hypervisor_hostname, "cell")
    state.update(compute=row)

    assert STATISTIC in state.stats
    assert state.num_instances == state.num_io_ops == 0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"peer_list": ["c1", "c2"]}, "c1's peer_list lacks c3"),
        ({"points": 32}, "c1 has ring_points 32 and this service 1024"),
        (
            {"partition_key": "rack-b"},
            "c1 has partition key 'rack-b' and this service partition key "
            "'rack-a'",
        ),
    ],
    ids=["list", "points", "key"],
)
def test_a_peer_that_differs_is_named_once_and_so_is_the_end(
    nova: Nova,
    nodes: list[str],
    bare_metal: BareMetal,
    change: dict[str, Any],
    what: str,
) -> None:
    bare_metal.enrol(2, "rack-b")
    nova.run()
    reload(nova, "c1", **change)
    for _ in range(8):
        nova.settle()

    named = [w for w in nova.log.warnings if "Peers do not see" in w]
    assert sum(what in text for text in named) == 2
    assert len(named) == 3

    before = {"peer_list": list(HOSTS), "points": POINTS}
    nova.log.clear()
    reload(nova, "c1", partition_key=GROUP, **before)
    for _ in range(4):
        nova.settle()
    assert not [w for w in nova.log.warnings if "Peers do not see" in w]
    assert (
        sum("see what this service sees again" in i for i in nova.log.at(20))
        == 3
    )


def test_a_node_is_claimed_as_soon_as_its_holder_gave_it_away(
    nova: Nova, nodes: list[str]
) -> None:
    nova.set_service("c3", disabled=True)
    nova.settle()
    lost = [n for n, h in owners_by_ring(nodes, HOSTS).items() if h == "c3"]
    nova.rows.clear()
    nova.run()
    nova.set_service("c3", disabled=False)

    nova.run("c3")
    assert nova.rows.events == []
    nova.run("c1", "c2", "c3")

    # The settle time is not over, nor has it begun to run.
    assert nova.owners() == owners_by_ring(nodes, HOSTS)
    assert nova.rows.moves() == dict.fromkeys(lost, 1)


def test_a_restarted_peer_counts_its_announcements_on(
    nova: Nova, nodes: list[str]
) -> None:
    nova.run()
    before = {w["host"]: w["turn"] for w in announced(nova).values()}
    nova.forget(nova.running["c2"])

    nova.start("c2")

    after = {w["host"]: w["turn"] for w in announced(nova).values()}
    assert after.pop("c2") > before.pop("c2")
    assert after == before


def test_a_peer_without_a_node_is_no_disagreement(
    nova: Nova, bare_metal: BareMetal
) -> None:
    bare_metal.enrol(1, GROUP)
    for host in HOSTS:
        nova.start(host)
    for _ in range(5):
        nova.settle()

    assert not [w for w in nova.log.warnings if "Peers do not see" in w]
    assert len(announced(nova)) == 1


def test_the_summary_names_the_epoch_and_who_shares_it(
    nova: Nova, nodes: list[str]
) -> None:
    nova.run()
    nova.clock.advance(SETTLE)
    nova.log.clear()
    nova.run()

    epoch = next(iter(announced(nova).values()))["epoch"]
    sweeps = [line for line in nova.log.at(20) if "sweep" in line]
    assert len(sweeps) == 3
    assert all(
        line.endswith(f"epoch {epoch}, announced by 2 of 2 other members.")
        for line in sweeps
    )
