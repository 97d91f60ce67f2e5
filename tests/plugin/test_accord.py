# SPDX-License-Identifier: Apache-2.0
"""Peers tell each other what they believe, and say who believes otherwise."""

import json
import logging

import pytest

from nova_ironic_partition.core import epoch
from nova_ironic_partition.core.hearsay import ROWS, SEARCH_AGAIN
from nova_ironic_partition.core.identity import HostName
from nova_ironic_partition.core.ownership import Rule
from tests.fakes.world import Peer, World
from tests.plugin.test_partition import HOSTS, cloud, owners, pass_time, rules

ACCORD = "nova_ironic_partition.accord"


def said(caplog):
    """Level and text of what was logged of accord since the last call."""
    found = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == ACCORD
    ]
    caplog.clear()
    return found


def announced(world, host):
    """The nodes in whose rows this host announces something."""
    return {
        node
        for node, words in world.words.items()
        if words and epoch.read(words).host == HostName(host)
    }


def test_a_few_rows_of_each_host_carry_its_epoch():
    world, peers = cloud(nodes=90)
    pass_time(world, peers, 60)
    digests = set()
    for peer in peers:
        rows = announced(world, peer.host)
        assert len(rows) == ROWS
        assert {world.rows[row] for row in rows} == {peer.host}
        digests |= {epoch.read(world.words[row]).epoch.digest for row in rows}
    assert len(digests) == 1


def test_a_sweep_reads_few_rows_however_many_there_are():
    world, peers = cloud(nodes=600)
    pass_time(world, peers, 60)
    world.rows_read = 0
    peers[0].run()
    assert world.rows_read <= 2 * 2 * ROWS


def test_a_restarted_service_finds_its_peers_without_reading_all_rows():
    world, peers = cloud(nodes=600)
    pass_time(world, peers, 60)
    peers[0].start(HOSTS)
    world.rows_read = 0
    peers[0].run()
    assert world.rows_read <= 2 * 3 * ROWS + 4 * ROWS


def test_a_restarted_service_counts_on():
    world, peers = cloud()
    c1 = peers[0]
    pass_time(world, peers, 60)
    before = max(
        epoch.read(world.words[row]).turn for row in announced(world, "c1")
    )
    c1.start(HOSTS)
    c1.run()
    turns = {
        epoch.read(world.words[row]).turn for row in announced(world, "c1")
    }
    assert turns == {before + 1}


def test_all_rows_of_a_peer_that_says_nothing_are_read_now_and_then_only():
    world, peers = cloud(nodes=90)
    peers[1].tracker.speaks = False
    pass_time(world, peers, 60)
    rows = sum(host == "c2" for host in world.rows.values())
    world.rows_read = 0
    searches = 0
    for _ in range(2 * int(SEARCH_AGAIN / 10)):
        world.now += 10
        for peer in peers:
            peer.beat()
        peers[2].run()
        before = world.rows_read
        peers[0].run()
        searches += world.rows_read - before > rows
    assert 1 <= searches <= 2


def test_the_summary_of_a_sweep_says_how_many_agree(caplog):
    caplog.set_level(logging.INFO)
    world, peers = cloud()
    pass_time(world, peers, 60)
    line = caplog.records[-1].getMessage()
    digest = peers[0].partition.snapshot.epoch.digest
    assert line.endswith(f"epoch {digest}, announced by 2 of 2 other members.")


def test_agreement_is_nothing_to_talk_of(caplog):
    caplog.set_level(logging.INFO)
    world, peers = cloud()
    pass_time(world, peers, 600)
    assert said(caplog) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"peer_list": ["c1", "c2"]}, "c1's peer_list lacks c3"),
        (
            {"peer_list": [*HOSTS, "c4"]},
            "c1's peer_list has c4 besides",
        ),
        (
            {"points": 32},
            "c1 has ring_points 32 and this service 1024",
        ),
        (
            {"key": "b"},
            "c1 has partition key 'b' and this service partition key 'a'",
        ),
        ({"key": None}, "c1 has no partition key and this service partition"),
    ],
)
def test_who_differs_in_what_is_said_once_and_its_end_too(
    caplog, changes, what
):
    caplog.set_level(logging.INFO)
    world, peers = cloud(nodes=90)
    c1, c2, _ = peers
    pass_time(world, peers, 300)
    world.groups.update(dict.fromkeys(sorted(world.groups)[::3], "b"))
    pass_time(world, peers, 300)
    said(caplog)
    c1.key = changes.get("key", c1.key)
    c1.points = changes.get("points", c1.points)
    c1.reload(changes.get("peer_list", HOSTS))
    pass_time(world, peers, 900)
    lines = [text for level, text in said(caplog) if level == "WARNING"]
    assert len([line for line in lines if what in line]) == 2
    assert len(lines) == 3
    assert all("ring_points the same on all of them" in t for t in lines)
    c1.key, c1.points = c2.key, c2.points
    c1.reload(HOSTS)
    pass_time(world, peers, 900)
    assert [level for level, _ in said(caplog)] == ["INFO"] * 3


def test_who_was_named_is_not_cleared_by_another_mistake(caplog):
    caplog.set_level(logging.INFO)
    world, peers = cloud(nodes=90)
    pass_time(world, peers, 100)
    peers[0].reload(["c1", "c2"])
    pass_time(world, peers, 300)
    said(caplog)
    peers[0].reload(["c1", "c3"])
    pass_time(world, peers, 300)
    found = said(caplog)
    assert {level for level, _ in found} == {"WARNING"}
    assert sum("c1's peer_list lacks c2" in text for _, text in found) == 2


def test_who_falls_silent_is_not_said_to_agree(caplog):
    caplog.set_level(logging.INFO)
    world, (c1, c2, c3) = cloud(nodes=90)
    pass_time(world, [c1, c2, c3], 300)
    c1.reload(["c1", "c2"])
    pass_time(world, [c1, c2, c3], 600)
    said(caplog)
    pass_time(world, [c2, c3], 900)
    line = "Not heard any more: c1. When last heard: c1's peer_list lacks c3."
    assert said(caplog) == [("INFO", line)] * 2


def test_one_that_agrees_is_told_from_one_that_falls_silent(caplog):
    caplog.set_level(logging.INFO)
    world, (c1, c2, c3) = cloud(nodes=90)
    pass_time(world, [c1, c2, c3], 300)
    c1.reload(["c1", "c3"])
    c2.reload(["c2", "c3"])
    pass_time(world, [c1, c2, c3], 600)
    said(caplog)
    pass_time(world, [c2, c3], 900)
    silent = said(caplog)
    assert [level for level, _ in silent] == ["INFO"] * 2
    assert all("Not heard any more: c1." in text for _, text in silent)
    c2.reload(HOSTS)
    pass_time(world, [c2, c3], 300)
    words = "Peers that see what this service sees again"
    digest = c3.partition.snapshot.epoch.digest
    assert said(caplog) == [
        ("INFO", f"{words}: c3; epoch {digest}."),
        ("INFO", f"{words}: c2; epoch {digest}."),
    ]


def test_words_that_nobody_can_have_written_end_no_sweep():
    world, peers = cloud(nodes=30)
    c1, _, c3 = peers
    pass_time(world, peers, 100)
    c1.reload(["c1", "c3"])
    c3.reload(["c1", "c3"])
    words = json.loads(world.words[min(announced(world, "c2"))])
    rows = announced(world, "c2")
    for turn in range(5):
        words.update(live=["\ud800"], turn=words["turn"] + 1000 + turn)
        world.words.update(dict.fromkeys(rows, json.dumps(words)))
        world.now += 10
        for peer in peers:
            peer.beat()
        c1.run()


def test_turns_begin_again_after_the_last():
    world, peers = cloud()
    pass_time(world, peers, 60)
    for row in announced(world, "c1"):
        words = {**json.loads(world.words[row]), "turn": epoch.LAST_TURN}
        world.words[row] = json.dumps(words)
    peers[0].start(HOSTS)
    pass_time(world, peers, 30)
    assert {
        epoch.read(world.words[row]).turn for row in announced(world, "c1")
    } == {3}


def test_a_view_of_the_members_that_differs_is_named(caplog):
    """c2 sees a service directory that misses c3: another database."""
    caplog.set_level(logging.INFO)
    world, (c1, c2, c3) = cloud(nodes=90)
    pass_time(world, [c1, c2, c3], 60)
    whole = c2.partition._services.of

    def part(hosts):
        found = whole(hosts)
        return {h: r for h, r in found.items() if h != HostName("c3")}

    c2.partition._services = type("Part", (), {"of": staticmethod(part)})()
    pass_time(world, [c1, c2, c3], 300)
    texts = [text for _, text in said(caplog)]
    assert any("c2's ring lacks c3" in text for text in texts)
    assert all("look at the line 'Members of the ring'" in t for t in texts)


@pytest.mark.parametrize("interval", [10.0, 55.0])
def test_a_peer_that_comes_or_goes_is_no_disagreement(caplog, interval):
    caplog.set_level(logging.INFO)
    world, (c1, c2, c3) = cloud(nodes=90)
    pass_time(world, [c1, c2, c3], 300, interval)
    pass_time(world, [c1, c2], 400, interval)
    c3.start(HOSTS)
    pass_time(world, [c1, c2, c3], 400, interval)
    assert said(caplog) == []


def test_a_rolling_reload_within_the_settle_time_is_no_disagreement(caplog):
    caplog.set_level(logging.INFO)
    world, peers = cloud(nodes=90)
    pass_time(world, peers, 100)
    for peer in peers:
        peer.reload([*HOSTS, "c4"])
        pass_time(world, peers, 20)
    pass_time(world, peers, 300)
    assert said(caplog) == []


def test_a_peer_without_a_node_is_unknown_and_does_not_disagree(caplog):
    caplog.set_level(logging.INFO)
    world, peers = cloud(nodes=1)
    pass_time(world, peers, 300)
    counts = {r.getMessage().rsplit(", ", 1)[1] for r in caplog.records[-3:]}
    assert counts == {
        "announced by 0 of 2 other members.",
        "announced by 1 of 2 other members.",
    }
    assert said(caplog) == []


def test_a_hung_peer_is_believed_for_a_while_only():
    """Its heartbeats go on, its resource tracker does not."""
    world, (c1, c2, c3) = cloud()
    pass_time(world, [c1, c2, c3], 100)
    world.services["c3"].disabled = True
    pass_time(world, [c1, c2, c3], 100)
    world.services["c3"].disabled = False
    # c1 hangs from before c3 is back, so it gives nothing away.
    end = world.now + 240
    waits = []
    while world.now < end:
        world.now += 10
        for peer in (c1, c2, c3):
            peer.beat()
        c2.run()
        c3.run()
        waits.append(rules(c3)[Rule.HANDOVER])
    assert waits[10] > 0
    assert waits[-1] == 0
    assert "c3" in owners(world).values()


def test_nodes_are_handed_over_before_a_long_settle_time_is_over():
    world, peers = cloud(settle_time=600.0)
    pass_time(world, peers, 100)
    before = owners(world)
    world.services["c3"].disabled = True
    pass_time(world, peers, 30)
    assert set(owners(world).values()) == set(HOSTS)
    pass_time(world, peers, 700)
    world.services["c3"].disabled = False
    world.moves.clear()
    pass_time(world, peers, 40)
    assert owners(world) == before
    assert max(world.moves.values()) == 1


@pytest.mark.parametrize("skew", [-7200.0, -61.0, 61.0, 7200.0])
def test_a_skewed_clock_is_no_death(skew, caplog):
    world, (c1, c2, c3) = cloud()
    pass_time(world, [c1, c2, c3], 100)
    before = owners(world)
    c3.skew = skew
    pass_time(world, [c1, c2, c3], 600)
    assert owners(world) == before
    assert not world.moves
    assert "is down" not in caplog.text


@pytest.mark.parametrize("skew", [-7200.0, 7200.0])
def test_a_skewed_peer_is_found_alive_by_one_that_starts(skew):
    world = World(45)
    peers = [
        Peer(world, host, HOSTS, skew=skew if host == "c3" else 0.0)
        for host in HOSTS
    ]
    pass_time(world, peers, 200)
    assert set(owners(world).values()) == set(HOSTS)


@pytest.mark.parametrize("skew", [0.0, 7200.0])
def test_a_dead_peer_is_dead_whatever_its_clock_said(skew):
    world, (c1, c2, c3) = cloud()
    c3.skew = skew
    pass_time(world, [c1, c2, c3], 200)
    pass_time(world, [c1, c2], 60 + 60 + 30)
    assert set(owners(world).values()) == {"c1", "c2"}
